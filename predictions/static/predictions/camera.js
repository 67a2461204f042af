// Takes a photo with the webcam, which then goes the way of every photo that is chosen.
const COUNTDOWN = 3;
const QUALITY = 0.92;
const ASKED_FOR = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } };
const REASONS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

const opener = document.getElementById("use-webcam");
const picker = document.getElementById("photos");
const dialog = document.getElementById("webcam");
const video = dialog.querySelector("video");
const still = dialog.querySelector("img");
const countdown = dialog.querySelector(".countdown");

let stream = null;
let photo = null;
let ticking = 0;
let turn = 0; // How often the camera was asked for: an answer to an earlier time comes too late.

function show(state) {
  dialog.dataset.state = state;
  for (const part of dialog.querySelectorAll("[data-in]")) {
    part.hidden = !part.dataset.in.split(" ").includes(state);
  }
  if (dialog.open) dialog.querySelector("button:not([hidden])").focus();
}

function fail(reason) {
  stop();
  show("failed");
  dialog.querySelector("[role=alert]").textContent = dialog.dataset[reason];
}

async function ask() {
  const mine = ++turn;
  show("asking");
  try {
    const given = await navigator.mediaDevices.getUserMedia({ video: ASKED_FOR });
    if (mine !== turn || !dialog.open) return halt(given);
    stream = given;
    stream.getVideoTracks()[0].onended = () => fail("busy");
    video.srcObject = stream;
    await video.play();
    show("live");
  } catch (error) {
    if (mine === turn && dialog.open) fail(REASONS[error.name] ?? "broken");
  }
}

function halt(some) {
  for (const track of some?.getTracks() ?? []) track.stop();
}

function stop() {
  clearTimeout(ticking);
  halt(stream);
  stream = video.srcObject = null;
  drop();
}

function drop() {
  if (photo) URL.revokeObjectURL(still.src);
  still.removeAttribute("src");
  photo = null;
}

function tick(seconds) {
  countdown.textContent = seconds || "";
  if (seconds) ticking = setTimeout(tick, 1000, seconds - 1);
  else shoot();
}

function shoot() {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob(
    (blob) => {
      if (!stream) return;
      photo = new File([blob], "webcam.jpg", { type: blob.type });
      still.src = URL.createObjectURL(photo);
      show("taken");
    },
    "image/jpeg",
    QUALITY,
  );
}

const DEEDS = {
  take() {
    if (dialog.dataset.state !== "live") return;
    show("counting");
    tick(COUNTDOWN);
  },
  use() {
    const transfer = new DataTransfer();
    for (const file of [...picker.files, photo]) transfer.items.add(file);
    dialog.close();
    picker.files = transfer.files;
    picker.dispatchEvent(new Event("change", { bubbles: true }));
  },
  again() {
    drop();
    show("live");
  },
  retry: ask,
  close: () => dialog.close(),
};

// Browsers offer cameras only where nobody can listen in: over TLS, or on one's own machine.
if (navigator.mediaDevices?.getUserMedia) {
  opener.hidden = false;
  opener.addEventListener("click", () => {
    dialog.showModal();
    ask();
  });
  dialog.addEventListener("click", (event) => DEEDS[event.target.dataset.do]?.());
  dialog.addEventListener("close", stop);
  window.addEventListener("pagehide", () => {
    stop();
    dialog.close();
  });
}
