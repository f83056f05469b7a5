/** A page of the documentation: it only has colours to choose. */

import { setUpShell } from "../panels/shell.js";

setUpShell();
