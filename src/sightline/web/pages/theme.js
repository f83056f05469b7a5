// A classic script, not a module, so that it runs before the first paint: the chosen theme must not flash.
try {
  const chosen = localStorage.getItem("sightline.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage: the system's preference holds.
}
