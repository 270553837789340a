// What a browser gets first: a box without a vault is set up, every other shows its dashboard.
import {at} from './elements.js';

// A box whose keeper does not answer is no box to be set up: its dashboard says what is wrong.
async function told() {
  try {
    const r = await fetch('/admin/v1/setup', {signal: AbortSignal.timeout(3000)});
    return r.ok ? await r.json() : {};
  } catch {
    return {};
  }
}

const box = await told();
if (box.state === 'unclaimed' || (box.state === 'open' && !box.configured)) {
  (await import('./setup.js')).begin(box);
} else {
  (await import('./dashboard.js')).begin();
  at('closed').textContent = box.state !== 'sealed' ? '' : 'The vault is closed: lethectl vault unlock opens it. When '
    + 'a set-up had broken off, set it up again then; to begin anew, choose factory reset on its console.';
  at('closed').hidden = box.state !== 'sealed';
}
