# fish completion of pyinit
# Made by pyinitctl completion from the table of options.

# Print what stands between the options and the cursor; fail as long as no command can be there.
function __pyinit_command
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        switch $word
            case --
                printf '%s\n' $words[2..-1]
                return 0
            case --rewrite --stop-signals --drain --pre-stop --escalate --stop-timeout --grace --remap-exit --user --chdir --env --unset-env --umask --parent-death-signal --on-oom --as --log-level --log-format --log-fd --log-file --report --status-file --metrics-file
                set -q words[2]; or return 1
                set -e words[1]
            case '--*'
            case '-?*'
                if string match -qr '^-[^reup]*[reup]$' -- $word
                    set -q words[2]; or return 1
                    set -e words[1]
                end
            case '*'
                printf '%s\n' $words
                return 0
        end
        set -e words[1]
    end
    not string match -q -- '-*' (commandline -ct)
end

# Print candidates for the command, as if it stood alone.
function __pyinit_complete_command
    set -l command (__pyinit_command)
    or return
    __fish_complete_subcommand --commandline $command (commandline -ct)
end

function __pyinit_in_options
    set -l command (__pyinit_command)
    test -z "$command"; and not contains -- -- (commandline -opc)
end

# Print all but the last item of the list at the cursor, and its comma.
function __pyinit_head
    set -l option '^(--[^=]*=|-[^-reup]*[reup])'
    string match -r '^.*,' -- (commandline -ct | string replace -r $option '')
end

function __pyinit_rules
    set -l head (__pyinit_head)
    set -l from (string match -r '([A-Za-z0-9+-]+:)[^,]*$' -- (commandline -ct))[2]
    if test -n "$from"
        printf "$head$from%s\n" ignore HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX KILL STOP CHLD ILL TRAP ABRT BUS FPE SEGV SYS
    else
        printf "$head%s:\n" HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX
    end
end

function __pyinit_account
    if string match -q '*:*' -- (commandline -ct)
        set -l user (string match -r '([^=:]*:)[^:]*$' -- (commandline -ct))[2]
        printf "$user%s\n" (__fish_complete_groups | string split -f 1 \t)
    else
        __fish_complete_users
    end
end

complete -c pyinit -f
complete -c pyinit -f -a '(__pyinit_complete_command)'
complete -c pyinit -n __pyinit_in_options -s g -l group -d 'relay signals to the command\'s process group'
complete -c pyinit -n __pyinit_in_options -s r -l rewrite -x -a '(__pyinit_rules)' -d 'relay signal TO instead of FROM, none if TO is \'ignore\'; repeatable'
complete -c pyinit -n __pyinit_in_options -l stop-signals -x -a '(printf "$(__pyinit_head)%s\\n" HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX)' -d 'the signals that begin a stop'
complete -c pyinit -n __pyinit_in_options -l drain -x -d 'hold a stop signal back so long; a second one ends the wait'
complete -c pyinit -n __pyinit_in_options -l pre-stop -x -d 'run it when the drain begins, and end it with the drain'
complete -c pyinit -n __pyinit_in_options -l escalate -x -a '(printf "$(__pyinit_head)%s@\\n" HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX KILL STOP CHLD ILL TRAP ABRT BUS FPE SEGV SYS)' -d 'send SIGNAL to a command that lives so long after the stop signal; repeatable'
complete -c pyinit -n __pyinit_in_options -l stop-timeout -x -d 'short for --escalate KILL@TIMEOUT, in seconds'
complete -c pyinit -n __pyinit_in_options -l grace -x -d 'time between TERM and KILL for what outlives the command'
complete -c pyinit -n __pyinit_in_options -s e -l remap-exit -x -a '(printf "$(__pyinit_head)%s\\n" HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX KILL STOP CHLD ILL TRAP ABRT BUS FPE SEGV SYS)' -d 'exit with TO, or 0, instead of CODE; a signal\'s name is 128+n; repeatable'
complete -c pyinit -n __pyinit_in_options -s u -l user -x -a '(__pyinit_account)' -d 'run it as this user, with the user\'s groups, HOME, USER and LOGNAME'
complete -c pyinit -n __pyinit_in_options -l chdir -x -a '(__fish_complete_directories (commandline -ct))' -d 'run it in this directory'
complete -c pyinit -n __pyinit_in_options -l env -x -a '(set -nx)=' -d 'set a variable; repeatable'
complete -c pyinit -n __pyinit_in_options -l unset-env -x -a '(set -nx)' -d 'remove a variable; repeatable'
complete -c pyinit -n __pyinit_in_options -l umask -x -d 'its file mode creation mask, in octal'
complete -c pyinit -n __pyinit_in_options -l no-new-privs -d 'no program that it starts gains privileges'
complete -c pyinit -n __pyinit_in_options -l session -d 'a session of its own, with the controlling terminal if pyinit leads it'
complete -c pyinit -n __pyinit_in_options -s p -l parent-death-signal -x -a 'HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX KILL STOP CHLD ILL TRAP ABRT BUS FPE SEGV SYS' -d 'the signal that pyinit gets when its parent ends'
complete -c pyinit -n __pyinit_in_options -s P -l pause -d 'run no command: reap until TERM or INT, then end all and exit with 0'
complete -c pyinit -n __pyinit_in_options -l notify -d 'send READY=1 and STOPPING=1 to NOTIFY_SOCKET'
complete -c pyinit -n __pyinit_in_options -l on-oom -x -a 'stop' -d '\'stop\': stop as by a stop signal when the kernel\'s OOM killer kills any process'
complete -c pyinit -n __pyinit_in_options -s s -l subreaper -d 'adopt orphans when not PID 1, as PID 1 does; the default'
complete -c pyinit -n __pyinit_in_options -l no-subreaper -d 'leave orphans to another init'
complete -c pyinit -n __pyinit_in_options -l as -x -a 'tini tini-static docker-init dumb-init catatonit' -d 'be tini, tini-static, docker-init, dumb-init or catatonit, whose options follow; comes first'
complete -c pyinit -n __pyinit_in_options -s w -l warn-on-reap -d 'warn of every orphan that is reaped'
complete -c pyinit -n __pyinit_in_options -s v -l verbose -d 'say more; given twice, also every signal and every orphan'
complete -c pyinit -n __pyinit_in_options -s q -l quiet -d 'say nothing but errors'
complete -c pyinit -n __pyinit_in_options -l log-level -x -a 'error warning info debug' -d 'say all up to error, warning, info (-v) or debug (-vv)'
complete -c pyinit -n __pyinit_in_options -l log-format -x -a 'console json logfmt' -d 'write the log as console, json or logfmt; without it console on a terminal, else json'
complete -c pyinit -n __pyinit_in_options -l log-fd -x -d 'write the log to this descriptor'
complete -c pyinit -n __pyinit_in_options -l log-file -x -a '(__fish_complete_path (commandline -ct))' -d 'append the log to this file'
complete -c pyinit -n __pyinit_in_options -l report -x -a '(__fish_complete_path (commandline -ct))' -d 'at the end, write what happened there, as one JSON object'
complete -c pyinit -n __pyinit_in_options -l termination-log -d 'at the end, write why in a line to /dev/termination-log, which Kubernetes shows'
complete -c pyinit -n __pyinit_in_options -l status-file -x -a '(__fish_complete_path (commandline -ct))' -d 'keep the state there, for \'pyinitctl status\''
complete -c pyinit -n __pyinit_in_options -l metrics-file -x -a '(__fish_complete_path (commandline -ct))' -d 'keep counts there, in the text format of Prometheus'
complete -c pyinit -n __pyinit_in_options -s h -l help -d 'print this help and exit'
complete -c pyinit -n __pyinit_in_options -l version -d 'print the version and exit'
