/** `/embed/NAME`: a viewer for frames, without anything around it. A token stands behind the `#`, which no server sees. */

import { streamOf } from "../lib/stream-name.js";
import { byId } from "../panels/page.js";
import { SightlineViewer } from "./embed.js";

const viewer = new SightlineViewer();
const asked = new URLSearchParams(location.search);
for (const name of ["mode", "opacity", "zones", "transport"]) {
  const value = asked.get(name);
  if (value !== null) viewer.setAttribute(name, value);
}

/** Another token behind the `#` is another visitor. */
function signIn() {
  viewer.setAttribute("token", location.hash.slice(1));
}

signIn();
addEventListener("hashchange", signIn);
viewer.setAttribute("stream", streamOf(location.pathname));
document.title = `${streamOf(location.pathname)} · Sightline`;
byId("stream", HTMLElement).textContent = streamOf(location.pathname);
document.querySelector("main")?.append(viewer);
