// Command govulncheck looks for known vulnerabilities in what programs call. It says so
// where it cannot reach the database, instead of failing, unless that is asked for: not
// every machine that builds reaches the network.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/vuln/scan"
)

const (
	publicDatabase = "https://vuln.go.dev"

	// reachWithin bounds how long it is waited for the database.
	reachWithin = 20 * time.Second
)

// errUnreachable is that nothing was looked for.
var errUnreachable = errors.New("the vulnerability database cannot be reached, and nothing was checked")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "govulncheck:", err)
		os.Exit(1)
	}
}

// run checks the packages in the arguments. It fails when one calls what is vulnerable.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("govulncheck", flag.ContinueOnError)
	required := flags.Bool("required", false, "fail when the database cannot be reached")
	database := flags.String("db", publicDatabase, "URL of the database; GOVULNDB stands in for it")
	root := flags.String("root", ".", "the folder of the module")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("failed to read the flags: %w", err)
	}
	if fromEnvironment := os.Getenv("GOVULNDB"); fromEnvironment != "" {
		*database = fromEnvironment
	}
	if err := reach(ctx, *database); err != nil {
		if *required {
			return fmt.Errorf("%w: %w", errUnreachable, err)
		}
		fmt.Fprintf(out, "DID NOT RUN: %s: %v\n", errUnreachable, err)
		return nil
	}
	return check(ctx, out, append([]string{"-C", *root, "-db", *database}, flags.Args()...))
}

// reach asks the database for its age. One in a folder needs no asking.
func reach(ctx context.Context, database string) error {
	if strings.HasPrefix(database, "file://") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, database+"/index/db.json", nil)
	if err != nil {
		return fmt.Errorf("failed to ask %s: %w", database, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("failed to ask: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("failed to ask %s: %s", database, response.Status)
	}
	return nil
}

func check(ctx context.Context, out io.Writer, args []string) error {
	// Programs are made for Linux, wherever it is checked.
	cmd := scan.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "GOOS=linux")
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("failed to start: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("failed: %w", err)
	}
	return nil
}
