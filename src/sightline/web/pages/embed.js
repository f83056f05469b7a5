/** `/embed.js`: `<sightline-viewer>` for pages of other sites. It says in words what is wrong. */

import { SightlineViewer } from "../elements/sightline-viewer.js";
import { embedWords } from "./embed-words.js";

SightlineViewer.words = (status, stream, server) => embedWords(status, stream, server, location.origin);

export { SightlineViewer };
