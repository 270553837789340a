// What the owner answers, read from the form and checked before anything is changed: the rules of lethectl setup.
import {at} from './elements.js';
import {utf8} from './bytes.js';
import {wantsRoots} from './compose.js';
import {isPlainName, isSecret, namesOf, vendorHost} from './names.js';

const ROOTS_BYTES = 256 * 1024, LIST = 8;

const value = id => at(id).value.trim();
const listOf = id => value(id) === '' ? [] : value(id).split(',').map(one => one.trim());
const chosen = () => document.querySelector('input[name=opens]:checked')?.value;
const shortList = id => listOf(id).length <= LIST && listOf(id).every(one => one.length > 0 && one.length < 64);

const NAME = 'takes 1 to 31 letters, digits and . _ : / -';
const SHORT_LIST = 'takes at most 8, each of at most 63 characters';

// Where, whether it is good, and what is to be done. `a` is what answers() gives.
const RULES = [
  ['compared', () => at('compared').checked, 'Compare the fingerprints first: in the browser, and on the console.'],
  ['claim', () => /^[A-Za-z2-7 -]{8,63}$/.test(value('claim')), 'Type the claim code that the console shows.'],
  ['opens-person', a => a.opens !== undefined, 'Choose how the vault shall open after a power cut.'],
  ['hosts', a => a.hosts !== null, 'Up to 16 host names or addresses, without https:// and ports.'],
  ['vendor', a => isPlainName(a.vendor), `The vendor's name ${NAME}.`],
  ['base-url', a => vendorHost(a.baseUrl) !== null && a.baseUrl.length < 512,
    'The base URL is https://host[:port][/path].'],
  ['roots', a => !wantsRoots(a) || at('roots').files.length > 0,
    'Choose a file of public roots: a vendor behind TLS is judged by them.'],
  ['roots', a => !wantsRoots(a) || at('roots').files[0].size <= ROOTS_BYTES,
    'The file of roots is larger than 256 KiB.'],
  ['model', a => isPlainName(a.model), `The name of the model ${NAME}.`],
  ['target', a => /^[A-Za-z0-9._:/-]{1,127}$/.test(a.target),
    'Say what the vendor calls that model: letters, digits and . _ : / -'],
  ['project', a => isPlainName(a.project), `The project ${NAME}.`],
  ['passphrase', a => a.opens === 'key-file' || at('passphrase').value !== '', 'Type a new passphrase for the vault.'],
  ['passphrase', a => a.opens === 'key-file' || utf8(at('passphrase').value).length <= 1024,
    'A passphrase has at most 1024 bytes.'],
  ['again', a => a.opens === 'key-file' || at('passphrase').value === at('again').value,
    'The two passphrases differ; nothing was changed.'],
  ['vendor-key', a => !a.vendorKeyWanted || isSecret(value('vendor-key')),
    'A vendor key has 1 to 512 visible ASCII characters without spaces.'],
  ['port', a => /^\d{1,5}$/.test(value('port')) && a.port >= 1 && a.port <= 65535, 'A port is 1 to 65535.'],
  ['residency', () => shortList('residency'), `This list ${SHORT_LIST}.`],
  ['addresses', a => wantsRoots(a) || a.addresses.length > 0 && a.local.length > 0,
    'Without TLS a vendor must stand in a network of your own: list its addresses, and the networks.'],
  ['addresses', () => shortList('addresses'), `This list ${SHORT_LIST}.`],
  ['local', () => shortList('local'), `This list ${SHORT_LIST}.`],
];

// Everything but secrets and files.
export function answers() {
  return {
    opens: chosen(), light: at('light').checked, hosts: namesOf(value('hosts')), port: Number(value('port')),
    vendor: value('vendor'), baseUrl: value('base-url'), vendorKeyWanted: !at('no-vendor-key').checked,
    model: value('model'), target: value('target'), project: value('project'),
    residency: listOf('residency'), addresses: listOf('addresses'), local: listOf('local'),
  };
}

// The first rule that does not hold: {id, text}; null when all do.
export function faultOf(a) {
  const rule = RULES.find(([, good]) => !good(a));
  return rule ? {id: rule[0], text: rule[2]} : null;
}

// What of the form is asked for depends on what is chosen.
export function follow() {
  const a = answers();
  at('passphrase-part').hidden = a.opens === 'key-file';
  at('passphrase-why').hidden = a.opens !== 'tpm';
  at('roots-part').hidden = at('roots-how').hidden = !wantsRoots(a);
  at('vendor-key-part').hidden = !a.vendorKeyWanted;
}

export const claimCode = () => value('claim');

// They leave the form, which does not keep them.
export function takeSecrets() {
  const secrets = {passphrase: utf8(at('passphrase').value), vendorKey: value('vendor-key')};
  for (const id of ['passphrase', 'again', 'vendor-key'])
    at(id).value = '';
  return secrets;
}

export async function rootsText(a) {
  return wantsRoots(a) ? at('roots').files[0].text() : '';
}
