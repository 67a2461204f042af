// Asks what became of the photos whose cards wait, and where they stand in the queue: one request
// for many, less often while none is done, and none while nobody looks. Without this module one
// loads the page again.
const FIRST = 1000; // Milliseconds between two questions, …
const LONGEST = 5000; // … and at most.
const AT_ONCE = 60; // An address has room for so many ids; the others have their turn next time.
const WAITING = ".card [data-status=queued], .card [data-status=running]";

let timer = 0;
let pause = FIRST;
let turn = 0;
let asking = false;

function plan() {
  clearTimeout(timer);
  const waits = !asking && !document.hidden && document.querySelector(WAITING);
  timer = waits ? setTimeout(ask, pause) : 0;
}

async function ask() {
  const links = [...document.querySelectorAll(WAITING)];
  if (turn >= links.length) turn = 0;
  const values = { queued: [], running: [] };
  for (const link of links.slice(turn, turn + AT_ONCE)) {
    const place = link.querySelector(".place")?.dataset.place;
    const id = link.id.replace("link-", "");
    values[link.dataset.status].push(place ? `${id}.${place}` : id);
  }
  turn += AT_ONCE;
  const address = links[0]?.closest("[data-waiting]").dataset.waiting;
  const focused = document.activeElement;
  asking = true;
  if (address) await window.htmx.ajax("GET", address, { values, swap: "none" }).catch(() => {});
  asking = false;
  // A card that went with its photo may have had the focus.
  if (focused?.isConnected === false && document.activeElement === document.body) {
    document.getElementById("main").focus();
  }
  pause = Math.min(1.5 * pause, LONGEST);
  plan();
}

// Something is new here: a card that waits, or one that does no more.
document.addEventListener("htmx:load", ({ target }) => {
  if (target.matches(".place")) return;
  if (timer && pause === FIRST) return;
  pause = FIRST;
  plan();
});

document.addEventListener("visibilitychange", () => {
  pause = FIRST;
  plan();
});

plan();
