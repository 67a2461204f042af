// The history: how many photos are selected, all of them at a click, and the seconds to undo.
// Without this module one selects and undoes, too, and page links lead to what scrolling loads.
const announcer = document.getElementById("announcer");

function boxes() {
  return [...document.querySelectorAll("#cards input[name=ids]")];
}

function count() {
  const all = boxes();
  const chosen = all.filter((box) => box.checked).length;
  const text = document.getElementById("selected");
  const link = document.getElementById("select-all");
  if (!text || !link) return;
  text.textContent = text.dataset.text.replace("%d", chosen);
  link.textContent = chosen === all.length ? link.dataset.none : link.dataset.all;
}

function sayCount() {
  count();
  announcer.textContent = document.getElementById("selected").textContent;
}

document.addEventListener("change", (event) => {
  if (event.target.name === "ids") sayCount();
});

document.addEventListener("click", (event) => {
  if (event.target.id !== "select-all") return;
  event.preventDefault();
  const some = boxes().some((box) => !box.checked);
  for (const box of boxes()) box.checked = some;
  sayCount();
});

// What nobody asked for is no part of an address. While the year of a day is typed, a browser reports
// the years 2, 20 and 202, which nobody means.
document.addEventListener("htmx:configRequest", (event) => {
  const { target, detail } = event;
  if (target.id !== "finder") return;
  const days = [detail.formData.get("since"), detail.formData.get("until")];
  const isTyping = detail.triggeringEvent?.type === "change";
  if (isTyping && days.some((day) => day?.startsWith("0"))) event.preventDefault();
  for (const [name, value] of [...detail.formData]) if (!value) detail.formData.delete(name);
});

document.addEventListener("htmx:load", ({ target }) => {
  // Photos that came meanwhile move the others down: one that comes by scrolling may be here.
  if (target.matches(".card")) {
    for (const card of document.querySelectorAll(`[id="${target.id}"]`)) {
      if (card !== target) card.remove();
    }
  }
  if (target.id === "found") {
    announcer.textContent = document.getElementById("total")?.textContent ?? "";
  }
  count();
});

// What the server will not bring back is not offered: a sentence takes the place of the button.
function offerUndo(undo) {
  const [text, button, clock] = undo.querySelectorAll("p, button, .countdown");
  const end = Date.now() + 1000 * undo.dataset.seconds;
  const timer = setInterval(tick, 500);
  function tick() {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    clock.textContent = `${seconds} s`;
    if (seconds > 0) return;
    clearInterval(timer);
    if (button.matches(":focus")) document.getElementById("main").focus();
    button.remove();
    clock.remove();
    text.textContent += ` ${undo.dataset.over}`;
  }
  tick();
  announcer.textContent = `${text.textContent} ${undo.dataset.spoken}`;
}

count();
const undo = document.getElementById("undo");
if (undo) offerUndo(undo);
