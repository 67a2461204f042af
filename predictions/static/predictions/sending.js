// Sends photos, each by itself: with a progress bar, a button that calls it off and, where the reason
// of a failure may pass, one that sends it again.
const PARALLEL = 3;
const PASSING = [0, 408, 425, 429]; // And what begins with 5; 0 is a connection that broke off.
const PAUSE = 300; // Milliseconds in which changes of the summary are told together.

const form = document.getElementById("upload");
const cards = document.getElementById("cards");
const summary = document.getElementById("summary");
const rest = document.getElementById("rest"); // Where upload.js tells what is left.
const retryAll = document.getElementById("retry-all");

let items = []; // { file, discard, alone, card, request, state }
let leaving = false;
let telling = 0;

function withState(...states) {
  return items.filter((item) => states.includes(item.state));
}

function isBusy() {
  return withState("waiting", "sending").length > 0;
}

function fresh(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

function button(card, action, item, deed) {
  const found = card.querySelector(`[data-do=${action}]`);
  found.setAttribute("aria-label", `${found.textContent}: ${item.file.name}`);
  found.addEventListener("click", () => deed(item));
}

function waitingCard(item) {
  const card = fresh("uploading");
  card.querySelector(".card-name").textContent = item.file.name;
  const image = card.querySelector("img");
  image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(item.file);
  const bar = card.querySelector("progress");
  bar.setAttribute("aria-label", `${bar.getAttribute("aria-label")}: ${item.file.name}`);
  button(card, "cancel", item, cancel);
  return card;
}

// What failed and is chosen anew is one thing, not two.
function forget(files) {
  const same = ({ name, size }) => files.some((file) => file.name === name && file.size === size);
  for (const item of withState("failed").filter((failed) => same(failed.file))) {
    item.card.remove();
    items.splice(items.indexOf(item), 1);
  }
}

form.addEventListener("photos", ({ detail: { files, discard, ...detail } }) => {
  if (!isBusy()) items = withState("failed");
  forget(files);
  const alone = detail.alone && !items.length;
  for (const item of items) item.alone = false;
  const added = files.map((file) => ({ file, discard, alone, state: "waiting" }));
  items.push(...added);
  document.getElementById("latest-section").hidden = false;
  for (const item of [...added].reverse()) {
    item.card = waitingCard(item);
    cards.prepend(item.card);
    if (item.file.size > Number(form.dataset.largest)) settle(item, "refused", lost(413));
  }
  cards.firstElementChild.scrollIntoView({ block: "nearest" });
  next();
});

function next() {
  while (withState("sending").length < PARALLEL && withState("waiting").length) {
    send(withState("waiting")[0]);
  }
  // The browser asks whoever would leave now.
  window.onbeforeunload = isBusy() || !rest.hidden ? () => true : null;
  retryAll.hidden = withState("failed").length < 2;
  telling ||= setTimeout(tell, PAUSE);
}

function tell() {
  telling = 0;
  const parts = ["taken", "refused", "failed"].map((state) => {
    const count = withState(state).length;
    const text = count || state === "taken" ? summary.dataset[state] : "";
    return text.replace("{count}", count).replace("{all}", items.length);
  });
  summary.textContent = items.length ? parts.filter(Boolean).join(", ") : summary.dataset.canceled;
}

function send(item) {
  item.state = "sending";
  const title = item.card.querySelector(".card-title");
  title.textContent = title.dataset.sending;
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.namedItem("csrfmiddlewaretoken").value);
  if (form.elements.namedItem("notice")) body.append("notice", "on");
  if (item.discard) body.append("discard_photo", "on");
  if (item.alone) body.append("single", "1");
  body.append("photos", item.file);
  const request = new XMLHttpRequest();
  item.request = request;
  const bar = item.card.querySelector("progress");
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  };
  // What has left cannot be called back.
  request.upload.onload = () => {
    item.card.querySelector("[data-do=cancel]").setAttribute("aria-disabled", "true");
  };
  request.onloadend = () => read(item, request);
  request.open("POST", form.dataset.action);
  request.send(body);
}

// A folder, and what was moved or changed since it was chosen: the browser says no more than that
// nothing was sent.
async function isReadable(file) {
  if (!file.size) return false;
  const start = file.slice(0, 1).arrayBuffer();
  return start.then(
    () => true,
    () => false,
  );
}

async function read(item, request) {
  const isLost = !request.status && !(await isReadable(item.file));
  if (leaving || item.request !== request) return;
  if (isLost) {
    settle(item, "refused", lost("unreadable"));
    return next();
  }
  // Who is no longer logged in was led to the log-in, and comes back here; not so that others are
  // lost, of which nobody was told.
  const page = request.responseURL;
  if (page && new URL(page).pathname !== form.dataset.action) {
    if (items.length === 1 && rest.hidden) return leave(page);
    settle(item, "refused", lost("login"));
    return next();
  }
  const address = request.getResponseHeader("Location");
  if (item.alone && address) return leave(address);
  const passes = PASSING.includes(request.status) || request.status >= 500;
  const state = address ? "taken" : passes ? "failed" : "refused";
  settle(item, state, answered(request.responseText) ?? lost(request.status));
  next();
}

function leave(address) {
  leaving = true;
  window.onbeforeunload = null;
  window.location.assign(address);
}

// Who comes back finds the page as it was left, with an upload that will never end.
window.addEventListener("pageshow", (event) => {
  if (event.persisted && leaving) window.location.reload();
});

// The answer is the card of the photo, or of why it was refused; anything else is an accident.
function answered(text) {
  const holder = document.createElement("template");
  holder.innerHTML = text.trim();
  return holder.content.querySelector("li.card");
}

function lost(status) {
  const card = fresh("lost");
  const known = card.querySelector(`[data-status="${status}"]`);
  for (const reason of card.querySelectorAll("[data-status]")) {
    if (reason !== (known ?? card.querySelector("[data-status=other]"))) reason.remove();
  }
  return card;
}

function settle(item, state, card) {
  item.state = state;
  if (state === "failed") {
    card.append(fresh("retry"));
    button(card, "retry", item, retry);
  }
  if (state !== "taken") card.querySelector(".card-name").textContent = item.file.name;
  // Of one alone the reason is read out, of several the summary.
  if (state !== "taken" && items.length === 1) {
    card.querySelector(".card-text").setAttribute("role", "alert");
  }
  document.getElementById(card.id)?.remove();
  replace(item, card);
  window.htmx.trigger(card, "htmx:load"); // For whom a card from the site is new, such as time.js.
}

function replace(item, card) {
  const hadFocus = item.card.contains(document.activeElement);
  item.card.replaceWith(card);
  item.card = card;
  if (hadFocus) (card.querySelector("button") ?? summary).focus();
}

function retry(item) {
  item.state = "waiting";
  replace(item, waitingCard(item));
  next();
}

retryAll.addEventListener("click", () => {
  withState("failed").forEach(retry);
  summary.focus();
});

function cancel(item) {
  if (item.card.querySelector("[aria-disabled]")) return;
  items.splice(items.indexOf(item), 1);
  const { request } = item;
  item.request = null;
  request?.abort();
  item.card.remove();
  summary.focus();
  next();
}
