// Loads the page again, but not while somebody types in the search or has changed it.
(function () {
  const seconds = Number(document.currentScript.dataset.seconds);
  const fields = Array.from(document.querySelectorAll("form input, form select"));
  const values = () => fields.map((field) => field.value).join("\n");
  const loaded = values();
  const busy = () => values() !== loaded || fields.includes(document.activeElement);
  setTimeout(function reload() { if (busy()) setTimeout(reload, 1000); else location.reload(); }, seconds * 1000);
})();
