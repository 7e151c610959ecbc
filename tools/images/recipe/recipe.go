// Package recipe reads from a Dockerfile what an image is to be. It knows the few
// instructions that an image without a base needs, and refuses all others, so that
// nothing of the Dockerfile is left out unseen.
package recipe

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Image is what a stage of a Dockerfile makes.
type Image struct {
	Labels     map[string]string
	User       string
	Entrypoint []string
	// Copies become a layer each, in this order.
	Copies []Copy
}

// Copy takes a file or a folder from the stage that builds.
type Copy struct {
	From, Source, Target string
}

// File is a Dockerfile.
type File struct {
	stages []instructions.Stage
	lex    *shell.Lex
}

// Parse reads a Dockerfile.
func Parse(dockerfile io.Reader) (File, error) {
	parsed, err := parser.Parse(dockerfile)
	if err != nil {
		return File{}, fmt.Errorf("failed to parse the Dockerfile: %w", err)
	}
	stages, global, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return File{}, fmt.Errorf("failed to parse the Dockerfile: %w", err)
	}
	if len(global) > 0 {
		return File{}, errors.New("an ARG before the first FROM is not supported")
	}
	return File{stages: stages, lex: shell.NewLex(parsed.EscapeToken)}, nil
}

// Base is the image that the stage is made from.
func (f File) Base(stage string) (string, error) {
	s, err := f.stage(stage)
	return s.BaseName, err
}

// Image is what the stage makes, with the arguments that a builder would be given.
func (f File) Image(stage string, arguments map[string]string) (Image, error) {
	s, err := f.stage(stage)
	if err != nil {
		return Image{}, err
	}
	if s.BaseName != "scratch" || s.Platform != "" {
		return Image{}, fmt.Errorf("stage %s is made from %s: only FROM scratch is supported", stage, s.BaseName)
	}
	r := reader{lex: f.lex, given: arguments, image: Image{Labels: map[string]string{}}}
	for _, command := range s.Commands {
		if err := r.read(command); err != nil {
			return Image{}, fmt.Errorf("stage %s: line %d: %w", stage, command.Location()[0].Start.Line, err)
		}
	}
	return r.image, nil
}

func (f File) stage(name string) (instructions.Stage, error) {
	for _, s := range f.stages {
		if s.Name == name {
			return s, nil
		}
	}
	return instructions.Stage{}, fmt.Errorf("the Dockerfile has no stage %s", name)
}

type reader struct {
	lex   *shell.Lex
	given map[string]string
	// set has KEY=VALUE for each argument that the stage declared so far.
	set   []string
	image Image
}

func (r *reader) read(command instructions.Command) error {
	if expandable, ok := command.(instructions.SupportsSingleWordExpansion); ok {
		if err := expandable.Expand(r.expand); err != nil {
			return fmt.Errorf("failed to expand %s: %w", command.Name(), err)
		}
	}
	switch command := command.(type) {
	case *instructions.ArgCommand:
		return r.declare(command)
	case *instructions.LabelCommand:
		for _, label := range command.Labels {
			r.image.Labels[label.Key] = label.Value
		}
	case *instructions.UserCommand:
		r.image.User = command.User
	case *instructions.EntrypointCommand:
		if command.PrependShell {
			return errors.New("ENTRYPOINT must be a list: there is no shell")
		}
		r.image.Entrypoint = command.CmdLine
	case *instructions.CopyCommand:
		return r.copy(command)
	default:
		return fmt.Errorf("%s is not supported", strings.ToUpper(command.Name()))
	}
	return nil
}

func (r *reader) expand(word string) (string, error) {
	expanded, unknown, err := r.lex.ProcessWord(word, shell.EnvsFromSlice(r.set))
	if err == nil && len(unknown) > 0 {
		err = fmt.Errorf("%s uses what no ARG declares", word)
	}
	return expanded, err
}

func (r *reader) declare(command *instructions.ArgCommand) error {
	for _, arg := range command.Args {
		value, given := r.given[arg.Key]
		switch {
		case given:
		case arg.Value != nil:
			value = *arg.Value
		default:
			return fmt.Errorf("ARG %s has no value", arg.Key)
		}
		r.set = append(r.set, arg.Key+"="+value)
	}
	return nil
}

func (r *reader) copy(command *instructions.CopyCommand) error {
	if command.From == "" || command.Chown != "" || command.Chmod != "" || command.Parents || command.Link ||
		len(command.ExcludePatterns) > 0 || len(command.SourceContents) > 0 || len(command.SourcePaths) != 1 {
		return errors.New("COPY: only --from, one source and one target are supported")
	}
	r.image.Copies = append(r.image.Copies, Copy{From: command.From, Source: command.SourcePaths[0], Target: command.DestPath})
	return nil
}
