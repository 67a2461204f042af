// Whoever takes a file hears how far it is. htmx itself would stop the click that it listens to.
document.getElementById("exports").addEventListener("click", ({ target }) => {
  target.closest("a")?.dispatchEvent(new Event("taken"));
});
