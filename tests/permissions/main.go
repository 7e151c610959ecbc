// Command permissions writes docs/reference/permissions.md: every rule of every role that
// this project ships, with the reason for it. A rule without a reason is an error, and so
// is a reason without a rule.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// page is what is written, below the root of the project.
const page = "docs/reference/permissions.md"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("give the root of the project, and nothing else")
	}
	text, err := generate(args[0])
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(args[0], page), []byte(text), 0o644); err != nil {
		return fmt.Errorf("failed to write the page: %w", err)
	}
	return nil
}

// generate is the page for the project in the folder.
func generate(root string) (string, error) {
	roles, err := readRoles(root)
	if err != nil {
		return "", err
	}
	sections, err := readReasons()
	if err != nil {
		return "", err
	}
	if err := compare(roles, sections); err != nil {
		return "", err
	}
	return render(sections, roles), nil
}
