/** The choice of the pages' language. It is kept in a cookie, as the server fills the pages in. */

import { byId } from "./page.js";

const COOKIE = "sightline_language";
const KEPT_S = 365 * 86_400;

export function setUpLanguage() {
  const select = byId("language", HTMLSelectElement);
  select.value = new RegExp(`(?:^|; )${COOKIE}=([a-z]+)`).exec(document.cookie)?.[1] ?? "";
  select.addEventListener("change", () => {
    const kept = select.value ? KEPT_S : 0;
    document.cookie = `${COOKIE}=${select.value}; path=/; max-age=${kept}; samesite=lax`;
    location.reload();
  });
}
