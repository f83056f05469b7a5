/**
 * The language of the pages. This is English, whose words stand in the code. Under `/static/VERSION/de/` the server gives
 * `languages/de.json` in place of this file, and so on: see `server/languages.py`.
 */

/**
 * @type {{language: string, words: Record<string, string>, classes: Record<string, string>, said: Record<string, string>}}
 */
const chosen = { language: "en", words: {}, classes: {}, said: {} };
export default chosen;
