// Uploads each photo by itself with a progress bar. Without this module the form is a plain one.
const PARALLEL = 3;

const form = document.getElementById("upload");
const picker = document.getElementById("photos");
const cards = document.getElementById("cards");
const chosen = document.getElementById("chosen");
const notice = form.elements.namedItem("notice");

document.documentElement.classList.add("scripted");
const waiting = [];
let running = 0;
let single = false;

function fresh(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

function start(files) {
  if (!files.length) return picker.click();
  single = files.length === 1 && !running;
  document.getElementById("latest-section").hidden = false;
  for (const file of [...files].reverse()) {
    const card = fresh("uploading");
    card.querySelector(".card-name").textContent = file.name;
    const image = card.querySelector("img");
    image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(file);
    cards.prepend(card);
    waiting.unshift({ file, card });
  }
  cards.firstElementChild.scrollIntoView({ block: "nearest" });
  form.reset();
  if (notice) {
    notice.checked = true;
    notice.closest(".notice").hidden = true;
  }
  chosen.textContent = "";
  next();
}

function next() {
  while (running < PARALLEL && waiting.length) send(waiting.shift());
}

function send({ file, card }) {
  running += 1;
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.namedItem("csrfmiddlewaretoken").value);
  if (notice) body.append("notice", "on");
  if (single) body.append("single", "1");
  body.append("photos", file);
  const request = new XMLHttpRequest();
  const bar = card.querySelector("progress");
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  };
  request.onloadend = () => {
    running -= 1;
    // Who is no longer logged in was led to the log-in, and comes back here.
    const page = request.responseURL;
    if (page && new URL(page).pathname !== form.dataset.action) return window.location.assign(page);
    const address = request.getResponseHeader("Location");
    if (single && address) return window.location.assign(address);
    replace(card, request.responseText, file.name);
    next();
  };
  request.open("POST", form.dataset.action);
  request.send(body);
}

// The answer is the card of the photo, or of why it was refused; anything else is an accident.
function replace(card, answer, name) {
  const holder = document.createElement("template");
  holder.innerHTML = answer.trim();
  let replacement = holder.content.querySelector("li.card");
  if (!replacement) {
    replacement = fresh("lost");
    replacement.querySelector(".card-name").textContent = name;
  }
  document.getElementById(replacement.id)?.remove();
  card.replaceWith(replacement);
  window.htmx.process(replacement);
}

// Before the first upload somebody has to agree; until then the photos wait in the form.
function offer(files) {
  if (!files.length) return;
  if (!notice || notice.checked) return start(files);
  chosen.textContent = [...files].map((file) => file.name).join(", ");
  form.reportValidity();
}

function take(transfer) {
  const files = [...transfer.files];
  if (!files.length) return;
  picker.files = transfer.files;
  offer(files);
}

form.addEventListener("change", (event) => {
  if (event.target.type === "file") offer(event.target.files);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start([...form.querySelectorAll("input[type=file]")].flatMap((input) => [...input.files]));
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
