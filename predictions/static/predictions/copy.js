// A button that copies a field. Without this module, or without TLS, one selects it and copies.
const button = document.querySelector("[data-copies]");
const field = document.getElementById(button.dataset.copies);

field.addEventListener("focus", () => field.select());
if (navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(field.value);
    button.textContent = document.getElementById("announcer").textContent = button.dataset.done;
  });
}
