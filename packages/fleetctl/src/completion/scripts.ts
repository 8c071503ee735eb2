/**
 * What shells need to complete fleetctl's command lines, by shell. All decisions are fleetctl's: a script hands over
 * the words up to the cursor, and gets `:files` (local files fit as well) or `:words`, then a line for each
 * candidate: the word, and after a tab what it is.
 */
export const completionScripts: Readonly<Record<string, string>> = {
  // COMP_WORDS is cut at `@`, `=` and `:`, so that the line is read instead, and candidates are cut like it.
  bash: `# bash completion for fleetctl
_fleetctl() {
    local program=\${1:-fleetctl} line word kept= fits= candidate at
    local -a words files
    COMPREPLY=()
    if [[ -n \${COMP_LINE-} ]]; then
        line=\${COMP_LINE:0:COMP_POINT}
        IFS=$' \\t\\n' read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=("")
        word=\${words[\${#words[@]}-1]}
        if [[ $word == [\\'\\"]* ]]; then
            word=\${word:1}
        else
            at=\${#word}
            while ((at > 0)) && [[ \${COMP_WORDBREAKS-} != *"\${word:at-1:1}"* ]]; do ((at--)); done
            kept=\${word:0:at}
        fi
    else
        words=("\${COMP_WORDS[@]:0:COMP_CWORD+1}")
        word=\${words[\${#words[@]}-1]}
    fi
    words[\${#words[@]}-1]=$word
    {
        read -r fits
        while IFS=$'\\t' read -r candidate _; do
            [[ $candidate == *\\\\* ]] && printf -v candidate %q "$candidate"
            COMPREPLY+=("\${candidate:\${#kept}}")
        done
    } < <("\${program/#\\~\\//$HOME/}" __complete -- "\${words[@]:1}" 2>/dev/null)
    if [[ $fits == :files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t files < <(compgen -f -- "$word")
        for candidate in "\${files[@]}"; do COMPREPLY+=("\${candidate:\${#kept}}"); done
    fi
    if ((\${#COMPREPLY[@]} == 1)) && [[ \${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _fleetctl fleetctl
`,

  zsh: `#compdef fleetctl
# zsh completion for fleetctl
_fleetctl() {
    local line
    local -a answers names shown open_names open_shown
    answers=("\${(@f)$("\${(Q)words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "\${(@)answers[2,-1]}"; do
        if [[ \${line%%$'\\t'*} == *= ]]; then
            open_names+=("\${line%%$'\\t'*}")
            open_shown+=("\${line/$'\\t'/  -- }")
        else
            names+=("\${line%%$'\\t'*}")
            shown+=("\${line/$'\\t'/  -- }")
        fi
    done
    ((\${#names})) && compadd -l -d shown -a names
    ((\${#open_names})) && compadd -l -S '' -d open_shown -a open_names
    [[ \${answers[1]} == :files ]] && _files
    return 0
}
if [[ \${funcstack[1]} == _fleetctl ]]; then
    _fleetctl "$@"
else
    compdef _fleetctl fleetctl
fi
`,

  fish: `# fish completion for fleetctl
function __fleetctl_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l answers ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    if test "$answers[1]" = :files
        __fish_complete_path "$current"
    end
    set -e answers[1]
    printf '%s\\n' $answers
end
complete --command fleetctl --no-files --arguments '(__fleetctl_complete)'
`,
};
