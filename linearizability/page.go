package linearizability

// pageTemplate is the page of Report.HTML. Everything stands in it, style and drawing; the only
// script is porcupine's, in a frame that may do nothing but run it.
const pageTemplate = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>{{.Verdict}} – a history judged</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2330; background: #fbfbf9; margin: 2em auto; max-width: 1200px; padding: 0 1.5em }
h1 { font-size: 1.5em; margin: 0 } h2 { font-size: 1.05em; margin: 2em 0 .5em }
.verdict { padding: .8em 1.1em; border-left: 6px solid; background: #fff }
.bad { border-color: #c0262d } .unknown { border-color: #b7791f } .pass { border-color: #2f855a }
.bad h1 { color: #c0262d } .unknown h1 { color: #b7791f } .pass h1 { color: #2f855a }
.small { color: #5b6472; font-size: .9em }
table { border-collapse: collapse; background: #fff } td, th { padding: .35em .9em .35em .6em; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e6e1 }
th { font-weight: 600; white-space: nowrap } td { overflow-wrap: anywhere }
.frame { overflow-x: auto; background: #fff; border: 1px solid #e6e6e1 }
iframe { width: 100%; height: 420px; border: 0 }
svg text { font: 12px system-ui, sans-serif; fill: #1c2330 }
svg .t, svg .axis { font-size: 11px; fill: #77808d } svg .lane { font-weight: 600 }
.stuck { fill: #c0262d; stroke: #c0262d } .because { fill: #d69e2e; stroke: #b7791f } .with { fill: #3b6fb6; stroke: #3b6fb6 }
.witness { fill: #2f855a; stroke: #2f855a } .open { fill: #c3c9d2; stroke: #77808d; stroke-dasharray: 4 3 }
.key i { display: inline-block; width: .9em; height: .9em; margin: 0 .4em 0 1em; vertical-align: -1px }
</style>
</head>
<body>
<div class="verdict {{.Tone}}">
<h1>{{.Verdict}}{{with .Core}}: {{.Rule}}{{end}}</h1>
<div class="small">{{.Stats.Operations}} operations, {{.Stats.Unknown}} without an answer, {{.Stats.Pushes}} pushes, {{.Stats.Events}} lines</div>
</div>
{{with .Sentences}}<h2>Why</h2>
<table>{{range .}}<tr><th>{{index . 0}}</th><td>{{index . 1}}</td></tr>{{end}}</table>{{end}}
{{with .Timeline}}<h2>Timeline</h2>
<div class="small key">Each instant shown is equally far from the next; the numbers above are the recorder's.
<i style="background:#c0262d"></i>cannot be placed<i style="background:#d69e2e"></i>made it untrue<i style="background:#2f855a"></i>shows that it had<i style="background:#3b6fb6"></i>also in the core<i style="background:#c3c9d2"></i>may have happened<i style="background:#6b46c1"></i>push<i style="background:#f3d9d6"></i>fault. Point at anything for its details.</div>
<div class="frame"><svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" role="img">
{{$t := .}}{{range .Lanes}}<rect x="0" y="{{.Y}}" width="{{$t.Width}}" height="{{.Height}}" fill="#f4f5f7"/>{{end}}
{{range .Faults}}<g><title>{{.Text}}</title><rect x="{{.X}}" y="26" width="{{.W}}" height="{{$t.Height}}" fill="#f3d9d6" opacity=".6"/><text class="t" x="{{.X}}" y="38">{{.Text}}</text></g>{{end}}
{{range .Ticks}}<line x1="{{.X}}" y1="26" x2="{{.X}}" y2="{{$t.Height}}" stroke="#dfe2e7"/><text class="t" x="{{.X}}" y="18" text-anchor="middle">{{.T}}</text>{{end}}
{{range .Lanes}}<text class="lane" x="10" y="{{.Y}}" dy="22">{{.Label}}</text>{{end}}
{{range .Dots}}<line x1="{{.FromX}}" y1="{{.FromY}}" x2="{{.X}}" y2="{{$t.LineY}}" stroke="#9aa3af" stroke-dasharray="2 3"/>{{end}}
{{with .Link}}<path d="M {{.X1}} {{.Y1}} C {{.MX}} {{.Y1}} {{.MX}} {{.Y2}} {{.X2}} {{.Y2}}" fill="none" stroke="#c0262d" stroke-width="2" marker-end="url(#tip)"/>{{end}}
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#c0262d"/></marker></defs>
{{range .Bars}}<g><title>{{.Note}}</title><rect class="{{.Role}}" x="{{.X}}" y="{{.Y}}" width="{{.W}}" height="16" rx="3"/><text x="{{.X}}" y="{{.Y}}" dy="30">{{.Text}}</text></g>
{{end}}{{range .Marks}}<g><title>{{.Text}}</title><path d="M {{.X}} {{.Y}} l -5 8 h 10 z" fill="#6b46c1"/></g>{{end}}
{{if .Dots}}<line x1="170" y1="{{.LineY}}" x2="{{.Width}}" y2="{{.LineY}}" stroke="#1c2330"/><text class="axis" x="10" y="{{.LineY}}" dy="4">position in the log</text>
{{range .Dots}}<circle class="{{.Role}}" cx="{{.X}}" cy="{{$t.LineY}}" r="5"/><text x="{{.X}}" y="{{$t.LineY}}" dy="22" text-anchor="middle">{{.Pos}}</text>{{end}}{{end}}
</svg></div>{{end}}
{{with .Core}}<h2>Operations of the core</h2>
<table><tr><th>line</th><th>position</th><th></th></tr>
{{with .Because}}<tr><td>{{.Called}}, {{.Line}}</td><td>{{with .Pos}}{{.}}{{end}}</td><td>{{.Text}}</td></tr>{{end}}
{{range .Ops}}<tr><td>{{.Called}}, {{.Line}}</td><td>{{with .Pos}}{{.}}{{end}}</td><td>{{.Text}}</td></tr>{{end}}</table>{{end}}
{{with .Findings}}<h2>All findings</h2>
<table>{{range .}}<tr><th>{{.Rule}}</th><td>{{.Text}}{{if .Pos}} (position {{.Pos}}){{end}}</td><td class="small">{{range .Ops}}{{.}} {{end}}</td></tr>{{end}}</table>{{end}}
{{if .Picture}}<h2>The core, as porcupine sees it</h2>
<div class="small">Drawn by another judge. One operation after the other up to the core; a red mark is where no order goes on.</div>
<div class="frame"><iframe sandbox="allow-scripts" srcdoc="{{.Picture}}" title="porcupine"></iframe></div>{{end}}
</body>
</html>
`
