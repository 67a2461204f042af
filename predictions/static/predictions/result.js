// A waiting page hears that its record was deleted elsewhere; what it shows instead waits no more.
// Where what had the focus is gone, the focus goes to the head of what came in its place: to the
// answer after the waiting, to the question where a drawing is asked for again.
let hadFocus = false;

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr.status === 404 && detail.requestConfig.elt.id === "result") {
    detail.shouldSwap = true;
    detail.isError = false;
  }
  hadFocus = detail.target.contains(document.activeElement);
});

document.addEventListener("htmx:afterSwap", ({ target }) => {
  const head = target.querySelector("h1, summary");
  if (!hadFocus || !head || document.activeElement !== document.body) return;
  if (head.matches("h1")) head.tabIndex = -1;
  head.focus();
});

// A box chooses its face as the face's link does, without loading the page anew.
document.addEventListener("click", (event) => {
  const box = event.target.closest(".photo a");
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (!box || !isPlain) return;
  const link = document.querySelector(`.faces a[href="${box.getAttribute("href")}"]`);
  // There are no links to choose among where a photo has one face.
  if (!link && !box.matches(".chosen")) return;
  event.preventDefault();
  link?.click();
});

// The arrow keys lead from face to face where one of them has the focus, and otherwise to the
// newer and the older photo. Without this module there are links for both.
const steps = { ArrowLeft: -1, ArrowRight: 1 };

function linkBy(step, target) {
  const faces = target.closest(".faces");
  if (!faces) return document.querySelector(`.neighbours [rel=${step < 0 ? "prev" : "next"}]`);
  const links = [...faces.querySelectorAll("a")];
  return links[links.indexOf(target) + step];
}

document.addEventListener("keydown", (event) => {
  const step = steps[event.key];
  const modified = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
  // Elsewhere these keys move a cursor, choose from a list, or scroll an enlarged page.
  const isTaken = event.target.closest("input, select, textarea");
  const scrolls = document.documentElement.scrollWidth > innerWidth;
  if (!step || modified || isTaken || scrolls || event.defaultPrevented) return;
  const link = linkBy(step, event.target);
  if (!link) return;
  event.preventDefault();
  link.focus();
  link.click();
});
