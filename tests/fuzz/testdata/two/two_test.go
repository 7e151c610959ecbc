// Package two has two fuzz targets in one file, of which the first fails at once.
package two

import "testing"

func FuzzOne(f *testing.F) {
	f.Add("x")
	f.Fuzz(func(t *testing.T, text string) {
		if text == "x" {
			t.Error("it fails")
		}
	})
}

func FuzzOther(f *testing.F) {
	f.Add("x")
	f.Fuzz(func(*testing.T, string) {})
}
