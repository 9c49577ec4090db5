// Light, dark, or as the system has it. Runs before the first paint, so that nothing flashes. ?theme=dark is for pictures.
(() => {
  let asked = new URLSearchParams(location.search).get("theme");
  try {
    asked ||= localStorage.getItem("smsbridge.theme");
  } catch {
    // the browser forbids it: as the system has it
  }
  if (asked) document.documentElement.dataset.theme = asked;
})();
