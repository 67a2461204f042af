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
