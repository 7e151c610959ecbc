{{- define "type_members" -}}
{{- if eq .Name "metadata" -}}
Standard object metadata.
{{- else -}}
{{ .Doc | replace "\n" " " | markdownRenderFieldDoc }}
{{- end -}}
{{- end -}}
{{- define "bounds" -}}
{{- $required := false -}}
{{- range .Validation }}{{ if eq . "Required: {}" }}{{ $required = true }}{{ end }}{{ end -}}
{{ if $required }}required{{ else }}optional{{ end }}
{{- range .Validation }}{{ if not (or (eq . "Required: {}") (eq . "Optional: {}")) }}<br />{{ markdownRenderFieldDoc . }}{{ end }}{{ end -}}
{{- end -}}
