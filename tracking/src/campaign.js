/** The parameters in an address that say where a visitor comes from: utm_* and click ids. */
import { allowsMarketing } from './consent.js';
import { quietly } from './quietly.js';
import { toJson, truncate } from './text.js';

/** Click ids with their values: those of the event contract, and those of other platforms that are named like most of them. */
const CLICK_IDS =
  /\b(\w*clk?id|gad_\w+|gclsrc|[gw]braid|li_fat_id|igshid|(rdt_|mc_|sc)cid|epik|oppref)=[^&#]*&?/gi;

/** A text without the parameters that a pattern finds, also where an address is only a part of it. @param {string} text @param {RegExp} parameters */
export function withoutParameters(text, parameters) {
  const rest = text.replace(parameters, '');
  return rest === text ? text : rest.replace(/[?&]+(?=#|$)/g, '');
}

/** @param {string} name */
export const isClickId = (name) => !withoutParameters(`${name}=`, CLICK_IDS);

/** A percent-encoded character, but no NUL, which the collector would refuse. */
const ENCODED_CHARACTER = /%(?!00)[0-7].|%[c-f].(%[89ab].)+/gi;

/** A name or a value. Escapes that are not UTF-8 stay as they are, as decoding would lose them. @param {string} text */
const decode = (text) =>
  truncate(text.replace(ENCODED_CHARACTER, (escape) => quietly(() => decodeURIComponent(escape)) || escape));

/**
 * The utm_* parameters and click ids of this page's address, in its query and then in its fragment; the first value of a
 * name that is not empty counts. Names are lower case, values as they are: `+` is a space in a utm_* value, which forms
 * encode so, and itself in a click id.
 *
 * Where another parameter of a campaign follows, `;` and `?` end a value as `&` does: templates add a second `?` to a link
 * that has one. A value with a slash is an address with parameters of its own. Of `&` as HTML has it, `&amp;`, the rest is
 * before the name, as blanks may be.
 */
export function readCampaign() {
  /** @type {Record<string, string>} */
  const params = {};
  const address = location.search + location.hash;
  for (const [, name, value] of address.matchAll(/([^&#?=]+)=([^/&#]+?(?=[;?](utm_|\w*clid))|[^&#]+)/gi)) {
    const key = decode(name).toLowerCase().replace(/.*;|\W/g, '');
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
