/**
 * Hidden fields of other systems' forms that carry the arrival: `<input type="hidden" data-echolead="gclid">`. The name is
 * `tracking_id`, `session_id`, a property, parameter or ad cookie of the arrival, each after `first.` or `last.` if wanted.
 */
import { asAllowed } from '../campaign.js';
import { allowsAnalytics } from '../consent.js';
import { onEvent } from '../events.js';
import { currentVisit } from '../identity.js';
import { listen } from '../quietly.js';
import { currentTouch } from '../touch.js';

function fillFields() {
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[data-echolead]'));
  if (fields.length === 0 || !allowsAnalytics()) return;
  const ids = currentVisit();
  /** @type {Record<string, any>} */
  const touch = asAllowed(currentTouch());
  for (const field of fields) {
    const [name, which] = /** @type {string} */ (field.dataset.echolead).split('.').reverse();
    const point = touch[which] || touch.last_non_direct || touch.last;
    field.value = { ...point, ...point.cookies, ...point.params, ...ids }[name] ?? ''; // one without a value is emptied
  }
}

export function watchHiddenFields() {
  listen(['load', 'focusin'], fillFields);
  onEvent(fillFields); // among them each form sent, before it leaves
}
