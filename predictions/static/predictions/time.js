// A browser knows the place and the habits of its reader. The place it tells the server, which
// until then writes UTC; the habits are for what is shown here.
const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const secure = location.protocol === "https:" ? "; Secure" : "";
document.cookie = `timezone=${timeZone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;

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
