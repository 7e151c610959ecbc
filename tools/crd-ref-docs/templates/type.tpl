{{- define "type" -}}
### {{ .Name }}

{{ .Doc }}
{{- if .IsAlias }}

A {{ markdownRenderTypeLink .UnderlyingType }}.
{{- end }}
{{- if and .Validation (not .EnumValues) }}
{{ range .Validation }}
- {{ . }}
{{- end }}
{{- end }}
{{- if .References }}

Used in:
{{- range $index, $reference := .SortedReferences }}{{ if $index }},{{ end }} {{ markdownRenderTypeLink $reference }}{{ end }}.
{{- end }}
{{- if .Members }}

| Field | Type | Description | Default | Bounds |
| --- | --- | --- | --- | --- |
{{- if .GVK }}
| `apiVersion` | string | `{{ .GVK.Group }}/{{ .GVK.Version }}` | | required |
| `kind` | string | `{{ .GVK.Kind }}` | | required |
{{- end }}
{{- range .Members }}
| `{{ .Name }}` | {{ markdownRenderType .Type }} | {{ template "type_members" . }} | {{ markdownRenderDefault .Default }} | {{ template "bounds" . }} |
{{- end }}
{{- end }}
{{- if .EnumValues }}

| Value | Meaning |
| --- | --- |
{{- range .EnumValues }}
| `{{ .Name }}` | {{ trim .Doc | replace "\n" " " | markdownRenderFieldDoc }} |
{{- end }}
{{- end }}
{{ end -}}
