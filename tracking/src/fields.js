/**
 * Hidden fields of other people's forms that carry the arrival along: `<input type="hidden" data-echolead="gclid">`, also
 * `tracking_id`, `session_id`, `landing_url`, `referrer`, ad cookies, and `first.` or `last.` before any of an arrival.
 */
import { allowsAnalytics } from './consent.js';
import { visitNow } from './identity.js';
import { currentTouch, permitted } from './touch.js';

export function fillFields() {
  /** @type {Record<string, any>} */
  const touch = permitted(currentTouch());
  for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[data-echolead]'))) {
    const [name, from] = /** @type {string} */ (field.dataset.echolead).split('.').reverse();
    const point = touch[from] || touch.last_non_direct || touch.last;
    if (allowsAnalytics()) field.value = { ...point, ...point.cookies, ...point.params, ...visitNow() }[name] ?? '';
  }
}
