// Whoever takes a file hears how far it is. htmx itself would stop the click that it listens to.
const progress = document.getElementById("export-progress");

for (const link of document.querySelectorAll("#exports a")) {
  link.addEventListener("click", () => progress.dispatchEvent(new Event("taken")));
}
