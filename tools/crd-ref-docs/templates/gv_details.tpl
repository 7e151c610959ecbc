{{- define "gvDetails" -}}
## {{ .GroupVersionString }}

{{ trim .Doc }}

Kinds:
{{ range .SortedKinds }}
- {{ markdownRenderTypeLink ($.TypeForKind .) }}
{{- end }}
{{ range .SortedTypes }}
{{- if markdownShouldRenderType . }}
{{ template "type" . }}
{{- end }}
{{- end }}
{{- end -}}
