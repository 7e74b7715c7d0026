// The look of the console, light and dark, wide and narrow.

export const CONSOLE_CSS = `:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --line: #d5d9e0; --text: #1c2430; --soft: #5b6675; --accent: #1f6fc4; --bad: #b3261e; --good: #1b7f4b;
  --hue-0: #2f6fd0; --hue-1: #c2571a; --hue-2: #2b8a57; --hue-3: #8e4ec6; --hue-4: #b08800; --hue-5: #c43d74; --hue-6: #0f8b8d; --hue-7: #6b6f76;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161c; --card: #1a2029; --line: #333c4a; --text: #e4e9f0; --soft: #9aa7b8; --accent: #6db0ff; --bad: #ff8a80; --good: #6fd39b;
    --hue-0: #6aa5f8; --hue-1: #f08c4a; --hue-2: #5fc68d; --hue-3: #bd8cf0; --hue-4: #dcb93a; --hue-5: #f07ba8; --hue-6: #4cc4c6; --hue-7: #9aa0aa;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; background: var(--back); color: var(--text); }
header { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; align-items: baseline; padding: .6rem 1.2rem; background: var(--card); border-bottom: 1px solid var(--line); }
h1 { font-size: 1.15rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 1.2rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1rem 0 .3rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem; }
nav a { padding: .15rem .6rem; border-radius: 6px; color: var(--text); text-decoration: none; }
nav a:hover { background: var(--line); }
nav a[aria-current] { background: var(--accent); color: var(--card); }
#state { margin: 0 0 0 auto; color: var(--soft); }
#state[data-bad] { color: var(--bad); }
main { padding: .8rem 1.2rem 2rem; max-width: 82rem; margin: 0 auto; }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
code, .mono { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.bad { color: var(--bad); }
.good { color: var(--good); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0; }
.card > h2:first-child { margin-top: 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.row { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: center; margin: .5rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: .8rem; margin-top: .8rem; }
figure { display: flex; flex-direction: column; margin: 0; }
figcaption { font-size: .82rem; color: var(--soft); min-height: 1.4em; }
figure strong { font-size: 1.2rem; font-variant-numeric: tabular-nums; }
figure strong small { font-weight: normal; font-size: .75em; color: var(--soft); }
.plot { display: grid; grid-template-columns: 1fr auto; gap: 0 .4rem; margin-top: auto; }
.plot svg { display: block; width: 100%; height: 64px; border-bottom: 1px solid var(--line); }
.plot .axis { display: flex; flex-direction: column; justify-content: space-between; font-size: .7rem; color: var(--soft); text-align: right; min-width: 2.4rem; font-variant-numeric: tabular-nums; }
.plot .times { display: flex; justify-content: space-between; font-size: .7rem; color: var(--soft); }
.plot polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.plot polygon { fill: var(--accent); opacity: .13; }
.plot line { stroke: var(--soft); vector-effect: non-scaling-stroke; }
button, input, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .15rem .6rem; }
button { cursor: pointer; }
button:hover:enabled { border-color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
button.danger { color: var(--bad); }
button.link { border: 0; background: none; padding: 0; text-align: left; color: var(--accent); overflow-wrap: anywhere; }
input[type=text], input:not([type]) { width: 16rem; max-width: 60vw; }
input.short { width: 8rem; }
input[type=range] { flex: 1 1 12rem; padding: 0; }
.columns { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 1rem; align-items: start; }
.scroll { overflow: auto; max-height: 32rem; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; font-size: .82rem; color: var(--soft); position: sticky; top: 0; background: var(--card); }
th, td { padding: .2rem .8rem .2rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: break-word; }
#value td, #largest td, #slow-commands td { overflow-wrap: anywhere; }
td button + button { margin-left: .3rem; }
.tools button { margin: 0 .3rem .2rem 0; }
td .tools button + button { margin-left: 0; }
.keep { white-space: nowrap; }
tr[aria-current] td { background: color-mix(in srgb, var(--accent) 15%, transparent); }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem 1rem; margin: 0 0 .6rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
dialog { border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--text); max-width: 30rem; }
dialog::backdrop { background: #0008; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; background: var(--hue-7); }
${Array.from({ length: 8 }, (_, i) => `.hue-${i} { background: var(--hue-${i}); }`).join('\n')}
canvas { display: block; width: 100%; max-width: 512px; aspect-ratio: 1; image-rendering: pixelated; border: 1px solid var(--line); }
.log { list-style: none; margin: 0; padding: .4rem .7rem; max-height: 22rem; overflow: auto; font-family: ui-monospace, monospace; font-size: .82rem; }
.log li { padding: .05rem 0; white-space: pre-wrap; overflow-wrap: anywhere; border-bottom: 1px solid color-mix(in srgb, var(--line) 50%, transparent); }
.log li.lost { color: var(--bad); text-decoration: line-through; }
.log li.fault { color: var(--bad); }
.log li[aria-current] { background: color-mix(in srgb, var(--accent) 18%, transparent); }
.ring { width: 100%; max-width: 34rem; margin: 0 auto; display: block; }
${Array.from({ length: 8 }, (_, i) => `.ring .arc-${i} { fill: var(--hue-${i}); }`).join('\n')}
.ring .away { fill-opacity: .25; stroke: var(--bad); stroke-width: .5; }
.ring .coming { fill-opacity: .3; }
.ring line.key-at { stroke: var(--text); stroke-width: 2; }
.ring circle.key-at { fill: var(--text); stroke: none; }
.ring text { font: 11px ui-monospace, monospace; fill: var(--text); text-anchor: middle; }
.ring text.name { font-weight: 700; font-size: 13px; }
.ring .way { stroke: var(--line); stroke-width: 1; }
.ring .way.cut { stroke: var(--bad); stroke-dasharray: 4 4; }
.ring .message { stroke: var(--accent); stroke-width: 2; marker-end: url(#arrow); }
.ring .message.lost { stroke: var(--bad); stroke-dasharray: 3 3; }
.ring marker path { fill: var(--accent); }
.ring circle { fill: var(--card); stroke: var(--soft); stroke-width: 2; }
.ring .leader circle { stroke: var(--good); stroke-width: 4; }
.ring .candidate circle, .ring .preCandidate circle { stroke: var(--hue-4); stroke-width: 3; }
.ring .down circle { stroke: var(--bad); stroke-dasharray: 4 3; }
.ring .paused circle { stroke: var(--soft); stroke-dasharray: 1 3; }
.ring .down text, .ring .paused text { fill: var(--soft); }
.entries { display: flex; gap: 2px; overflow-x: auto; }
.entries span { min-width: 1.7em; text-align: center; border-radius: 3px; color: #fff; font: .78rem ui-monospace, monospace; padding: 0 .2em; }
@media (prefers-color-scheme: dark) { .entries span { color: #12161c; } }
.entries span.open { background: none; color: var(--text); outline: 1px dashed var(--soft); outline-offset: -1px; }
@media (max-width: 52rem) {
  .columns { grid-template-columns: minmax(0, 1fr); }
  main { padding: .7rem .7rem 2rem; }
  header { padding: .5rem .7rem; }
  #state { margin: 0; width: 100%; }
  th, td { padding-right: .5rem; }
  .optional { display: none; }
}
@media (prefers-reduced-motion: no-preference) { .fresh { animation: fresh 1s; } }
@keyframes fresh { from { background: color-mix(in srgb, var(--accent) 30%, transparent); } }
`
