"use strict";
// Reads the page again every 30 s; opened tables and the place stay.
async function refresh() {
  if (document.hidden) return;
  const lost = document.getElementById("lost");
  try {
    const answer = await fetch("./", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    for (const open of document.querySelectorAll("details[open]")) {
      const twin = fresh.querySelector("#" + open.id);
      if (twin) twin.open = true;
    }
    const focus = document.activeElement.parentElement?.id;
    const y = scrollY;
    document.querySelector("main").replaceWith(fresh);
    if (focus) document.querySelector(`#${focus} > summary`)?.focus({ preventScroll: true });
    scrollTo(0, y);
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}
setInterval(refresh, 30000);
document.addEventListener("visibilitychange", refresh);
