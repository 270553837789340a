#include "admin/handle.h"

/* The whole dashboard. It asks for the token, keeps it in the page's memory alone, and shows what
 * /admin/v1/status and /admin/v1/routes say. Text goes in by textContent, so nothing shown can become markup. */

static const view html = VIEW_INIT(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Lethe</title>\n"
        "<link rel=\"stylesheet\" href=\"/page.css\">\n<script src=\"/page.js\" defer></script>\n</head>\n<body>\n"
        "<h1>Lethe</h1>\n<p id=\"ready\">&hellip;</p>\n"
        "<form id=\"enter\"><label>Admin token <input id=\"token\" type=\"password\" autocomplete=\"off\" required>"
        "</label> <button>Show status</button></form>\n<p id=\"said\" role=\"status\"></p>\n"
        "<table id=\"facts\"></table>\n<table id=\"relays\"></table>\n<table id=\"ways\"></table>\n"
        "<p class=\"small\">Counters: <a href=\"/metrics\">/metrics</a>. Everything else: <code>lethectl --help</code>."
        "</p>\n</body>\n</html>\n");

static const view css = VIEW_INIT(
        "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222;"
        "background:#fff}\nh1{font-size:1.4rem}\ntable{border-collapse:collapse;margin:1rem 0}\n"
        "th,td{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ddd}\nth{font-weight:600}\n"
        "input{font:inherit;width:20rem;max-width:100%}\nbutton{font:inherit}\n.small{color:#666;font-size:.9rem}\n"
        ".bad{color:#a00}\n.good{color:#060}\n"
        "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th,td{border-color:#444}"
        ".bad{color:#f88}.good{color:#8d8}a{color:#8bf}}\n");

static const view script = VIEW_INIT(
        "'use strict';\n"
        "const at = id => document.getElementById(id);\n"
        "let token = '';\n"
        "function say(id, text, good) { at(id).textContent = text; at(id).className = good ? 'good' : 'bad'; }\n"
        "function row(table, cells, head) {\n"
        "  const tr = table.insertRow();\n"
        "  cells.forEach((text, i) => {\n"
        "    const cell = document.createElement(head || i === 0 ? 'th' : 'td');\n"
        "    cell.textContent = text;\n    tr.append(cell);\n  });\n}\n"
        "async function ready() {\n"
        "  try {\n    const r = await (await fetch('/readyz')).json();\n"
        "    say('ready', r.ready ? 'ready' : 'not ready: ' + r.reasons.join(', '), r.ready);\n"
        "  } catch { say('ready', 'no answer', false); }\n}\n"
        "function exports(e) {\n"
        "  return e === undefined ? '' : e.unacknowledged + ' of ' + e.kept + ', ' + e.fill_percent + ' % of their '\n"
        "    + 'place' + (e.alarm ? ': run lethectl export pull, at 100 % no more is written' : '');\n}\n"
        "function show(s) {\n"
        "  at('facts').replaceChildren();\n  at('relays').replaceChildren();\n"
        "  const vault = s.vault || {state: 'unknown'};\n"
        "  const ends = (s.certificates || []).map(c => c.name + ', ' + c.days + ' days left' +\n"
        "    (c.days < 30 ? ': RENEW IT' : '')).join('; ');\n"
        "  for (const [name, value] of [['version', s.version], ['commit', s.commit], ['generation', s.generation],\n"
        "      ['keeper', s.keeper], ['vault', vault.state], ['vendor keys', vault.credentials],\n"
        "      ['next export', vault.next_export], ['exports not fetched', exports(vault.exports)],\n"
        "      ['certificates', ends],\n"
        "      ['roles up', s.roles_up.join(', ')], ['restarts', s.restarts]])\n"
        "    row(at('facts'), [name, value === undefined ? '' : String(value)], false);\n"
        "  row(at('relays'), ['relay', 'generation', 'exchanges', 'connections'], true);\n"
        "  for (const r of s.relays)\n"
        "    row(at('relays'), [r.pid, r.generation, r.exchanges_now, r.connections_now].map(String), false);\n}\n"
        "function ways(d) {\n"
        "  const table = at('ways');\n  table.replaceChildren();\n"
        "  const health = w => [w.breaker + (w.open_ms ? ', ' + w.open_ms + ' ms left' : ''), w.in_flight, "
        "w.attempts,\n"
        "    w.failed, w.last_fault || ''];\n"
        "  row(table, ['way', 'breaker', 'running', 'attempts', 'failed', 'last fault', ''], true);\n"
        "  for (const r of d.routes) for (const t of r.targets)\n"
        "    row(table, [r.model + ' to ' + t.upstream + ' ' + t.model, ...health(t), ''].map(String), false);\n"
        "  for (const u of d.upstreams) {\n    row(table, [u.name, ...health(u), ''].map(String), false);\n"
        "    for (const k of u.keys)\n"
        "      row(table, [u.name + ', key ' + k.key, ...health(k), k.disabled ? 'refused' :\n"
        "        k.parked_ms ? 'waits ' + k.parked_ms + ' ms' : ''].map(String), false);\n  }\n}\n"
        "async function get(path, show) {\n"
        "  if (token === '') return;\n"
        "  try {\n    const r = await fetch(path, {headers: {Authorization: 'Bearer ' + token}});\n"
        "    const s = await r.json();\n"
        "    if (!r.ok) { if (r.status === 401) token = ''; say('said', s.error.message, false); return; }\n"
        "    say('said', '', true);\n    show(s);\n"
        "  } catch { say('said', 'no answer', false); }\n}\n"
        "async function status() {\n"
        "  await get('/admin/v1/status', show);\n  await get('/admin/v1/routes', ways);\n}\n"
        "at('enter').addEventListener('submit', e => {\n"
        "  e.preventDefault();\n  token = at('token').value;\n  at('token').value = '';\n  status();\n});\n"
        "ready();\nsetInterval(() => { ready(); status(); }, 5000);\n");

static void answer(admin_exchange *x, view type, view body) { admin_answer(x, &(admin_reply){200, type, body, {}}); }

void handle_page(admin_exchange *x) { answer(x, VIEW("text/html; charset=utf-8"), html); }

void handle_page_style(admin_exchange *x) { answer(x, VIEW("text/css; charset=utf-8"), css); }

void handle_page_script(admin_exchange *x) { answer(x, VIEW("text/javascript; charset=utf-8"), script); }
