/** Types of `window.echolead`, for pages written in TypeScript: `/// <reference types="echolead-tracking" />`. */

export interface EchoLeadUser {
  email?: string;
  phone?: string;
  name?: string;
  external_id?: string;
}

export interface EchoLeadIds {
  /** UUIDv7, the visitor's persistent id. */
  tracking_id: string;
  /** UUIDv7, the visit. */
  session_id: string;
}

export interface EchoLead {
  /** Record the page's own event; `name` is snake_case, `properties` a JSON object up to 40,000 characters. */
  (command: 'event', name: string, properties?: Record<string, unknown>): void;
  /** Record who the visitor says they are. */
  (command: 'identify', user: EchoLeadUser): void;
  /** Record what the visitor allows; a purpose that is not named stays as it was. */
  (
    command: 'consent',
    purposes: 'granted' | 'denied' | { analytics?: boolean; marketing?: boolean },
    detail?: { basis?: string; policy_version?: string },
  ): void;
  /** Count a page view. */
  (command: 'page', properties?: Record<string, unknown>): void;
  /** Call back with the ids once the script has loaded. */
  (command: 'ready', callback: (ids: EchoLeadIds) => void): void;
  /** The next visitor in this browser is another person, also for the collector's cookie. */
  (command: 'reset'): void;
  /** Calls made before the script has loaded. */
  q?: unknown[];
  /** The version, once the script has loaded. */
  v?: string;
}

declare global {
  interface Window {
    echolead: EchoLead;
  }
  const echolead: EchoLead;
}
