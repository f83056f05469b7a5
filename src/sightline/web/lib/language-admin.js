/** What the settings page alone says of the server, in the language of the page: as `language.js`. */

/** @type {{admin: Record<string, string>}} */
const chosen = { admin: {} };
export default chosen;
