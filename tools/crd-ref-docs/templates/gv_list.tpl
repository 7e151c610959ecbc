{{- define "gvList" -}}
# API reference

Generated from the Go types by `make docs`. Every bound is enforced by the API server.
{{ range . }}
{{ template "gvDetails" . }}
{{- end }}
{{- end -}}
