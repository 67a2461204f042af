// Times are sent in UTC; a browser knows the place and the habits of its reader.
const moment = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
const recent = new Intl.DateTimeFormat(undefined, moment);
const other = new Intl.DateTimeFormat(undefined, { ...moment, year: "numeric" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    const format = date.getFullYear() === new Date().getFullYear() ? recent : other;
    if (!Number.isNaN(date.valueOf())) time.textContent = format.format(date);
  }
}

localise(document);
document.addEventListener("htmx:load", (event) => localise(event.target));
