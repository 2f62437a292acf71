// Reads the page again every 30 seconds and replaces its content, unless somebody is at work in it.
"use strict";
(() => {
  const offline = document.getElementById("offline");
  const busy = () => {
    const main = document.getElementById("main");
    const typing = main.contains(document.activeElement) && document.activeElement !== main;
    return document.hidden || typing || main.querySelector("details[open]") || String(getSelection());
  };
  const refresh = async () => {
    if (busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = page.getElementById("main");
      if (main && !busy()) document.getElementById("main").replaceWith(main);
      document.title = page.title || document.title;
      offline.hidden = true;
    } catch {
      offline.hidden = false;
    }
  };
  setInterval(refresh, 30000);
})();
