/** The parameters in an address that say where a visitor comes from: utm_* and click ids. */
import { allowsMarketing } from './consent.js';
import { quietly } from './quietly.js';
import { toJson, truncate } from './text.js';

/** Click ids with their values: those of the event contract, and those of other platforms that are named like most of them. */
const CLICK_IDS =
  /\b(\w*clk?id|gad_\w+|gclsrc|gbraid|wbraid|li_fat_id|igshid|rdt_cid|epik|sccid|mc_cid|oppref)=[^&#]*&?/gi;

/** A text without the parameters that a pattern finds, also where an address is only a part of it. @param {string} text @param {RegExp} parameters */
export function withoutParameters(text, parameters) {
  const rest = text.replace(parameters, '');
  return rest === text ? text : rest.replace(/[?&]+(?=#|$)/g, '');
}

/** @param {string} name */
const isClickId = (name) => withoutParameters(`${name}=`, CLICK_IDS) === '';

/** A value of the query. Bytes that are not UTF-8 stay percent-encoded, as decoding would lose them. @param {string} value */
const decode = (value) => truncate(quietly(() => decodeURIComponent(value)) || value);

/**
 * The utm_* parameters and click ids of this page's address; the first of a name counts. Names are lower case, values as
 * they are: `+` is a space in a utm_* value, which forms encode so, and itself in a click id.
 */
export function readCampaign() {
  /** @type {Record<string, string>} */
  const params = {};
  for (const [, name, value] of location.search.matchAll(/([^?&=]+)=([^&]+)/g)) {
    const key = name.toLowerCase();
    if (key.startsWith('utm_')) params[key] ??= decode(value.replace(/\+/g, ' '));
    else if (isClickId(key)) params[key] ??= decode(value);
  }
  return params;
}

/** For `JSON.parse`: no ad cookies and no click ids, neither by name nor inside of addresses. @param {string} name @param {unknown} part */
function withoutMarketing(name, part) {
  if (FEATURE_AD_COOKIES && name === 'cookies') return {};
  if (isClickId(name)) return undefined;
  return typeof part === 'string' ? withoutParameters(part, CLICK_IDS) : part;
}

/** A copy of a value with what the visitor allows to be stored and sent. @template T @param {T} value @returns {T} */
export const asAllowed = (value) => JSON.parse(toJson(value), allowsMarketing() ? undefined : withoutMarketing);
