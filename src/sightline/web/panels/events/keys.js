/** Keys of the events page. */

/** @type {Record<string, number>} */
const IN_LIST = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 };
/** The arrows up and down scroll what is open. @type {Record<string, number>} */
const IN_DIALOG = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1 };

/** @param {{move: (by: number) => void, find: () => void, fresh: () => void}} then */
export function setUpKeys({ move, find, fresh }) {
  document.addEventListener("keydown", (event) => {
    const { target, key, ctrlKey, metaKey, altKey } = event;
    const typing = target instanceof HTMLElement && target.matches("input, select, textarea");
    if (ctrlKey || metaKey || altKey || typing) return;
    const open = document.querySelector("dialog[open]") !== null;
    const by = (open ? IN_DIALOG : IN_LIST)[key];
    if (by) move(by);
    else if (key === "/" && !open) find();
    else if (key === "n" && !open) fresh();
    else return;
    event.preventDefault();
  });
}
