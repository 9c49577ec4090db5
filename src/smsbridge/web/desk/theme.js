// Light, dark, or as the system has it. Runs before the first paint, so that nothing flashes. ?theme=dark is for pictures.
(() => {
  const asked = new URLSearchParams(location.search).get("theme") || localStorage.getItem("smsbridge.theme");
  if (asked) document.documentElement.dataset.theme = asked;
})();
