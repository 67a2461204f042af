// Puts the pictures of the gallery in order, by dragging or by buttons. Without this module one
// types their positions. A row moves by its neighbours stepping over it: what is itself taken out
// and put in again would lose the pointer, and the keyboard's focus.
const list = document.querySelector("#result_list tbody");
const status = document.getElementById("order-status");
const sortedOtherwise = new URLSearchParams(window.location.search).has("o");
let saving = false;
let changed = false;

const rows = () => [...list.rows];
const id = (row) => row.querySelector(".action-select").value;

const moves = {
  up: (row) => row.previousElementSibling && row.after(row.previousElementSibling),
  down: (row) => row.nextElementSibling && row.before(row.nextElementSibling),
};

function tell(row, outcome) {
  const title = row.querySelector(".field-title").textContent.trim();
  status.textContent = `${title}: ${rows().indexOf(row) + 1}/${rows().length}. ${outcome}`;
}

async function send() {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(status.dataset.action, {
    method: "POST",
    headers: { "X-CSRFToken": token },
    body: new URLSearchParams({ order: rows().map(id).join(",") }),
  });
  const { positions } = await answer.json();
  for (const row of rows()) {
    row.querySelector(".field-position input").value = positions[id(row)] ?? "";
  }
}

// One request at a time, or an earlier order could arrive last.
async function save(row) {
  changed = true;
  if (saving) return;
  saving = true;
  try {
    while (changed) {
      changed = false;
      await send();
    }
    status.classList.remove("errornote");
    tell(row, status.dataset.saved);
  } catch {
    status.classList.add("errornote");
    status.textContent = status.dataset.failed;
  } finally {
    saving = false;
  }
}

function middle(row) {
  const box = row.getBoundingClientRect();
  return box.top + box.height / 2;
}

function drag(row, start) {
  const before = rows();
  const controller = new AbortController();
  const { signal } = controller;

  function end() {
    controller.abort();
    row.classList.remove("dragged");
  }

  function giveUp() {
    end();
    list.append(...before);
  }

  function follow({ clientY }) {
    while (row.previousElementSibling && clientY < middle(row.previousElementSibling)) {
      moves.up(row);
    }
    while (row.nextElementSibling && clientY > middle(row.nextElementSibling)) moves.down(row);
    row.scrollIntoView({ block: "nearest" });
  }

  start.preventDefault();
  start.target.setPointerCapture(start.pointerId);
  row.classList.add("dragged");
  document.addEventListener("pointermove", follow, { signal });
  document.addEventListener("pointercancel", giveUp, { signal });
  document.addEventListener("keydown", ({ key }) => key === "Escape" && giveUp(), { signal });
  document.addEventListener(
    "pointerup",
    () => {
      end();
      if (rows().some((other, place) => other !== before[place])) save(row);
    },
    { signal },
  );
}

function equip(row) {
  const tools = document.getElementById("order-tools").content.firstElementChild.cloneNode(true);
  const title = row.querySelector(".field-title").textContent.trim();
  for (const button of tools.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.getAttribute("aria-label")}: ${title}`);
    button.addEventListener("click", () => {
      const before = rows().indexOf(row);
      moves[button.dataset.move](row);
      if (rows().indexOf(row) !== before) save(row);
    });
  }
  tools.querySelector(".order-handle").addEventListener("pointerdown", (event) => {
    if (!event.button) drag(row, event);
  });
  row.querySelector(".field-position").append(tools);
}

if (list && status && !sortedOtherwise) {
  rows().forEach(equip);
  status.hidden = false;
}
