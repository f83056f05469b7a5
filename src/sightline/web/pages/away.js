// A classic script that stands in its page: the service worker shows that page while there is no server to ask for files.
{
  const EVERY_MS = 2_000;
  const GIVE_UP_MS = 5_000;
  const told = document.getElementById("told");
  let asking = false;

  const look = async () => {
    if (asking || document.hidden) return;
    asking = true;
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const answer = await fetch("/health", { cache: "no-store", signal }).catch(() => null);
    asking = false;
    if (answer?.ok) location.reload();
    else if (told) told.textContent = saying();
  };

  const saying = () => {
    const words = document.getElementById(navigator.onLine ? "no-answer" : "no-network")?.textContent ?? "";
    return words.replace("{time}", new Date().toLocaleTimeString(document.documentElement.lang));
  };

  setInterval(look, EVERY_MS);
  addEventListener("online", look);
  document.addEventListener("visibilitychange", look);
  document.getElementById("now")?.addEventListener("click", look);
}
