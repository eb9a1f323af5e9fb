/** Calls as a page makes them, checked by `npm run lint` against index.d.ts; never run. */
import type { EchoLeadIds } from '../index.js';

echolead('event', 'quote_requested', { plan: 'pro' });
echolead('identify', { email: 'ana@exemplo.com.br' });
echolead('consent', 'granted');
echolead('consent', { analytics: true }, { policy_version: '3' });
echolead('page');
echolead('ready', ({ tracking_id }: EchoLeadIds) => void tracking_id);
window.echolead('reset');
// @ts-expect-error an unknown command
echolead('track', 'x');
// @ts-expect-error an unknown purpose
echolead('consent', { adverts: true });
