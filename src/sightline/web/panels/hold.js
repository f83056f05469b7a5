/** Has no button of a form pressed twice while something is under way. */

/** @param {HTMLElement} form @param {boolean} busy */
export function hold(form, busy) {
  for (const one of form.querySelectorAll("button")) one.disabled = busy;
  form.setAttribute("aria-busy", String(busy));
}
