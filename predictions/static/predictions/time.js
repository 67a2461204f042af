// Times are sent in UTC; a browser knows the place and the habits of its reader.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) time.textContent = format.format(moment);
  }
}

localise(document);
document.addEventListener("htmx:load", (event) => localise(event.target));
