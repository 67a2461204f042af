// Says so where what a page asks for in the background does not come, until it comes again.
const EVENTS = {
  "htmx:sendError": "away",
  "htmx:timeout": "away",
  "htmx:responseError": "refused",
};

let lacking = ""; // The path of what the site refused; where it is away, any answer will do.

function path(detail) {
  return new URL(detail.pathInfo.requestPath, location.href).pathname;
}

for (const [name, reason] of Object.entries(EVENTS)) {
  document.addEventListener(name, ({ detail }) => {
    const note = document.getElementById("trouble");
    const text = note.dataset[reason];
    lacking = reason === "away" ? "" : path(detail);
    if (!note.hidden && note.textContent === text) return;
    note.textContent = document.getElementById("announcer").textContent = text;
    note.hidden = false;
  });
}

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful || (lacking && lacking !== path(detail))) return;
  document.getElementById("trouble").hidden = true;
});
