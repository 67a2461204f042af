// Takes photos that are chosen, dropped or pasted, and hands them to sending.js by an event.
// Without this module the form is a plain one.
const NAMES = 3;

const form = document.getElementById("upload");
const picker = document.getElementById("photos");
const chosen = document.getElementById("chosen");
const rest = document.getElementById("rest");
const notice = form.elements.namedItem("notice");
const inputs = [...form.querySelectorAll("input[type=file]")];

document.documentElement.classList.add("scripted");
const left = [];

// Of a photo that comes alone the page goes on to the result.
function start(files, alone = files.length === 1 && !left.length) {
  if (!files.length) return picker.click();
  const atOnce = Number(form.dataset.atOnce);
  left.push(...files.slice(atOnce));
  tellRest();
  const discard = form.elements.discard_photo.checked;
  const detail = { files: files.slice(0, atOnce), discard, alone };
  form.dispatchEvent(new CustomEvent("photos", { detail }));
  for (const input of inputs) input.value = "";
  if (notice) {
    notice.checked = true;
    notice.closest(".notice").hidden = true;
  }
  chosen.textContent = "";
}

// More than go at once stay here until they are asked for.
function tellRest() {
  rest.hidden = !left.length;
  if (!left.length) return;
  const sentence = rest.querySelector("p");
  sentence.textContent = sentence.dataset.text.replace("{count}", left.length);
  document.getElementById("announcer").textContent = sentence.textContent;
}

rest.querySelector("button").addEventListener("click", () => {
  start(left.splice(0), false);
  if (rest.hidden) document.getElementById("summary").focus();
});

function waiting() {
  return inputs.flatMap((input) => [...input.files]);
}

// Before the first upload somebody has to agree; until then the photos wait in the form.
function offer() {
  const files = waiting();
  if (!files.length) return;
  if (!notice || notice.checked) return start(files);
  const names = files.slice(0, NAMES).map((file) => file.name);
  const more = files.length - names.length;
  if (more) names.push(chosen.dataset.more.replace("{count}", more));
  chosen.textContent = names.join(", ");
  form.reportValidity();
}

function take(transfer) {
  if (!transfer.files.length) return;
  const all = new DataTransfer();
  for (const file of [...picker.files, ...transfer.files]) all.items.add(file);
  picker.files = all.files;
  offer();
}

form.addEventListener("change", (event) => {
  if (event.target.type === "file") offer();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start(waiting());
});

document.addEventListener("paste", (event) => take(event.clipboardData));

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("dragging");
  });
}

document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});

document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer);
});
