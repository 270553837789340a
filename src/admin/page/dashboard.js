// The dashboard: asks for the token, keeps it in the page's memory alone, and shows what /admin/v1/status and
// /admin/v1/routes say.
import {at, say} from './elements.js';

let token = '';

function row(table, cells, head) {
  const tr = table.insertRow();
  cells.forEach((text, i) => {
    const cell = document.createElement(head || i === 0 ? 'th' : 'td');
    cell.textContent = text;
    tr.append(cell);
  });
}

async function ready() {
  try {
    const r = await (await fetch('/readyz')).json();
    say('ready', r.ready ? 'ready' : 'not ready: ' + r.reasons.join(', '), r.ready);
  } catch { say('ready', 'no answer', false); }
}

function exports(e) {
  return e === undefined ? '' : e.unacknowledged + ' of ' + e.kept + ', ' + e.fill_percent + ' % of their '
    + 'place' + (e.alarm ? ': run lethectl export pull, at 100 % no more is written' : '');
}

function show(s) {
  at('facts').replaceChildren();
  at('relays').replaceChildren();
  const vault = s.vault || {state: 'unknown'};
  const ends = (s.certificates || []).map(c => c.name + ', ' + c.days + ' days left' +
    (c.days < 30 ? ': RENEW IT' : '')).join('; ');
  for (const [name, value] of [['version', s.version], ['commit', s.commit], ['generation', s.generation],
      ['keeper', s.keeper], ['vault', vault.state], ['vendor keys', vault.credentials],
      ['next export', vault.next_export], ['exports not fetched', exports(vault.exports)],
      ['certificates', ends],
      ['roles up', s.roles_up.join(', ')], ['restarts', s.restarts]])
    row(at('facts'), [name, value === undefined ? '' : String(value)], false);
  row(at('relays'), ['relay', 'generation', 'exchanges', 'connections'], true);
  for (const r of s.relays)
    row(at('relays'), [r.pid, r.generation, r.exchanges_now, r.connections_now].map(String), false);
}

function ways(d) {
  const table = at('ways');
  table.replaceChildren();
  const health = w => [w.breaker + (w.open_ms ? ', ' + w.open_ms + ' ms left' : ''), w.in_flight, w.attempts,
    w.failed, w.last_fault || ''];
  row(table, ['way', 'breaker', 'running', 'attempts', 'failed', 'last fault', ''], true);
  for (const r of d.routes) for (const t of r.targets)
    row(table, [r.model + ' to ' + t.upstream + ' ' + t.model, ...health(t), ''].map(String), false);
  for (const u of d.upstreams) {
    row(table, [u.name, ...health(u), ''].map(String), false);
    for (const k of u.keys)
      row(table, [u.name + ', key ' + k.key, ...health(k), k.disabled ? 'refused' :
        k.parked_ms ? 'waits ' + k.parked_ms + ' ms' : ''].map(String), false);
  }
}

async function get(path, show) {
  if (token === '') return;
  try {
    const r = await fetch(path, {headers: {Authorization: 'Bearer ' + token}});
    const s = await r.json();
    if (!r.ok) { if (r.status === 401) token = ''; say('said', s.error.message, false); return; }
    say('said', '', true);
    show(s);
  } catch { say('said', 'no answer', false); }
}

async function status() {
  await get('/admin/v1/status', show);
  await get('/admin/v1/routes', ways);
}

export function begin() {
  at('dashboard').hidden = false;
  at('enter').addEventListener('submit', e => {
    e.preventDefault();
    token = at('token').value;
    at('token').value = '';
    status();
  });
  ready();
  setInterval(() => { ready(); status(); }, 5000);
}
