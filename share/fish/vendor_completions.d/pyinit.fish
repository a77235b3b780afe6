# fish completion of pyinit
# Made by pyinitctl completion from the table of options.

# Print what is between the options and the cursor; fail as long as no command can be there.
function __pyinit_command
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        switch $word
            case --
                printf '%s\n' $words[2..-1]
                return 0
            case --rewrite --stop-signals --drain --pre-stop --escalate --stop-timeout --grace --leftovers --remap-exit --user --chdir --env --unset-env --umask --oom-score-adj --parent-death-signal --services --control --on-oom --as --log-level --log-format --log-fd --log-file --report --status-file --metrics-file
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

# Print each of $argv[2..] behind the part of the item at the cursor that ends with $argv[1].
function __pyinit_behind
    set -l head (__pyinit_head)
    set -l part (string match -r "([^=:,]*$argv[1])[^,]*\$" -- (commandline -ct))[2]
    test -n "$part"; and printf "$head$part%s\n" $argv[2..]
end

complete -c pyinit -f
complete -c pyinit -f -a '(__pyinit_complete_command)'
complete -c pyinit -n __pyinit_in_options -s g -l group -d 'relay signals to the command\'s process group, not to the command alone'
complete -c pyinit -n __pyinit_in_options -s r -l rewrite -x -a '"$(__pyinit_head)"{HUP,INT,QUIT,USR1,USR2,PIPE,ALRM,TERM,STKFLT,CONT,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,VTALRM,PROF,WINCH,IO,PWR,RTMIN,RTMIN+1,RTMIN+2,RTMIN+3,RTMIN+4,RTMIN+5,RTMIN+6,RTMIN+7,RTMIN+8,RTMIN+9,RTMIN+10,RTMIN+11,RTMIN+12,RTMIN+13,RTMIN+14,RTMIN+15,RTMIN+16,RTMIN+17,RTMIN+18,RTMIN+19,RTMIN+20,RTMIN+21,RTMIN+22,RTMIN+23,RTMIN+24,RTMIN+25,RTMIN+26,RTMIN+27,RTMIN+28,RTMIN+29,RTMAX}: (__pyinit_behind : ignore HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX KILL STOP CHLD ILL TRAP ABRT BUS FPE SEGV SYS)' -d 'relay signal TO instead of FROM; if TO is \'ignore\', relay none; repeatable'
complete -c pyinit -n __pyinit_in_options -l stop-signals -x -a '"$(__pyinit_head)"{HUP,INT,QUIT,USR1,USR2,PIPE,ALRM,TERM,STKFLT,CONT,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,VTALRM,PROF,WINCH,IO,PWR,RTMIN,RTMIN+1,RTMIN+2,RTMIN+3,RTMIN+4,RTMIN+5,RTMIN+6,RTMIN+7,RTMIN+8,RTMIN+9,RTMIN+10,RTMIN+11,RTMIN+12,RTMIN+13,RTMIN+14,RTMIN+15,RTMIN+16,RTMIN+17,RTMIN+18,RTMIN+19,RTMIN+20,RTMIN+21,RTMIN+22,RTMIN+23,RTMIN+24,RTMIN+25,RTMIN+26,RTMIN+27,RTMIN+28,RTMIN+29,RTMAX}' -d 'begin the stop at these signals'
complete -c pyinit -n __pyinit_in_options -l drain -x -d 'relay a stop signal after SECONDS only; a second one ends the wait'
complete -c pyinit -n __pyinit_in_options -l pre-stop -x -d 'run a shell command when the drain begins, and end it with the drain'
complete -c pyinit -n __pyinit_in_options -l escalate -x -a '"$(__pyinit_head)"{HUP,INT,QUIT,USR1,USR2,PIPE,ALRM,TERM,STKFLT,CONT,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,VTALRM,PROF,WINCH,IO,PWR,RTMIN,RTMIN+1,RTMIN+2,RTMIN+3,RTMIN+4,RTMIN+5,RTMIN+6,RTMIN+7,RTMIN+8,RTMIN+9,RTMIN+10,RTMIN+11,RTMIN+12,RTMIN+13,RTMIN+14,RTMIN+15,RTMIN+16,RTMIN+17,RTMIN+18,RTMIN+19,RTMIN+20,RTMIN+21,RTMIN+22,RTMIN+23,RTMIN+24,RTMIN+25,RTMIN+26,RTMIN+27,RTMIN+28,RTMIN+29,RTMAX,KILL,STOP,CHLD,ILL,TRAP,ABRT,BUS,FPE,SEGV,SYS}@' -d 'send SIGNAL if the command still runs SECONDS after a stop signal; repeatable'
complete -c pyinit -n __pyinit_in_options -l stop-timeout -x -d 'short for --escalate KILL@TIMEOUT, in seconds'
complete -c pyinit -n __pyinit_in_options -l grace -x -d 'send TERM to processes that outlive the command, and KILL SECONDS later'
complete -c pyinit -n __pyinit_in_options -l leftovers -x -a 'tree all' -d '\'tree\': send TERM to parents before their children; \'all\': to all at once'
complete -c pyinit -n __pyinit_in_options -l wait-all -d 'when the command has ended, wait until all other processes have, or a stop'
complete -c pyinit -n __pyinit_in_options -s e -l remap-exit -x -a '"$(__pyinit_head)"{HUP,INT,QUIT,USR1,USR2,PIPE,ALRM,TERM,STKFLT,CONT,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,VTALRM,PROF,WINCH,IO,PWR,RTMIN,RTMIN+1,RTMIN+2,RTMIN+3,RTMIN+4,RTMIN+5,RTMIN+6,RTMIN+7,RTMIN+8,RTMIN+9,RTMIN+10,RTMIN+11,RTMIN+12,RTMIN+13,RTMIN+14,RTMIN+15,RTMIN+16,RTMIN+17,RTMIN+18,RTMIN+19,RTMIN+20,RTMIN+21,RTMIN+22,RTMIN+23,RTMIN+24,RTMIN+25,RTMIN+26,RTMIN+27,RTMIN+28,RTMIN+29,RTMAX,KILL,STOP,CHLD,ILL,TRAP,ABRT,BUS,FPE,SEGV,SYS}' -d 'exit with TO, or 0, instead of CODE; a signal\'s name is 128+n; repeatable'
complete -c pyinit -n __pyinit_in_options -s u -l user -x -a '(__fish_complete_users) (__pyinit_behind : (__fish_complete_groups | string split -f 1 \\t))' -d 'run the command as this user, with the user\'s groups, HOME, USER and LOGNAME'
complete -c pyinit -n __pyinit_in_options -l chdir -x -a '(__fish_complete_directories (commandline -ct))' -d 'run the command in this directory'
complete -c pyinit -n __pyinit_in_options -l env -x -a '(set -nx)=' -d 'set a variable for the command; repeatable'
complete -c pyinit -n __pyinit_in_options -l unset-env -x -a '(set -nx)' -d 'remove a variable for the command; repeatable'
complete -c pyinit -n __pyinit_in_options -l umask -x -d 'set the command\'s file mode creation mask, in octal'
complete -c pyinit -n __pyinit_in_options -l no-new-privs -d 'let no program that the command starts gain privileges'
complete -c pyinit -n __pyinit_in_options -l oom-score-adj -x -d 'have the OOM killer choose the command before (1000) or after (-1000) others'
complete -c pyinit -n __pyinit_in_options -l session -d 'run the command in a new session, with pyinit\'s controlling terminal'
complete -c pyinit -n __pyinit_in_options -s p -l parent-death-signal -x -a 'HUP INT QUIT USR1 USR2 PIPE ALRM TERM STKFLT CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+16 RTMIN+17 RTMIN+18 RTMIN+19 RTMIN+20 RTMIN+21 RTMIN+22 RTMIN+23 RTMIN+24 RTMIN+25 RTMIN+26 RTMIN+27 RTMIN+28 RTMIN+29 RTMAX KILL STOP CHLD ILL TRAP ABRT BUS FPE SEGV SYS' -d 'send pyinit this signal when its parent ends'
complete -c pyinit -n __pyinit_in_options -s P -l pause -d 'run no command: reap until TERM or INT, then end all and exit with 0'
complete -c pyinit -n __pyinit_in_options -l services -x -a '(__fish_complete_path (commandline -ct))' -d 'start the services that FILE describes, and COMMAND, if any, when all are ready'
complete -c pyinit -n __pyinit_in_options -l control -x -a '(__fish_complete_path (commandline -ct))' -d 'with --services: take requests of \'pyinitctl service\' on this socket'
complete -c pyinit -n __pyinit_in_options -l notify -d 'send READY=1 and STOPPING=1 to NOTIFY_SOCKET'
complete -c pyinit -n __pyinit_in_options -l on-oom -x -a 'stop' -d '\'stop\': stop, as at a stop signal, when the OOM killer has killed any process'
complete -c pyinit -n __pyinit_in_options -s s -l subreaper -d 'adopt orphans when not PID 1, as PID 1 does'
complete -c pyinit -n __pyinit_in_options -l no-subreaper -d 'leave orphans to another init'
complete -c pyinit -n __pyinit_in_options -l as -x -a 'tini tini-static docker-init dumb-init catatonit' -d 'act as tini, tini-static, docker-init, dumb-init or catatonit; must be the first word'
complete -c pyinit -n __pyinit_in_options -s w -l warn-on-reap -d 'log a warning for every orphan that is reaped'
complete -c pyinit -n __pyinit_in_options -s v -l verbose -d 'log start and end; given twice, also every signal and every orphan'
complete -c pyinit -n __pyinit_in_options -s q -l quiet -d 'log errors only'
complete -c pyinit -n __pyinit_in_options -l log-level -x -a 'error warning info debug' -d 'log events up to error, warning, info (-v) or debug (-vv)'
complete -c pyinit -n __pyinit_in_options -l log-format -x -a 'console json logfmt' -d 'write the log as console, json or logfmt'
complete -c pyinit -n __pyinit_in_options -l log-fd -x -d 'write the log to this file descriptor'
complete -c pyinit -n __pyinit_in_options -l log-file -x -a '(__fish_complete_path (commandline -ct))' -d 'append the log to this file'
complete -c pyinit -n __pyinit_in_options -l report -x -a '(__fish_complete_path (commandline -ct))' -d 'at the end, write a report there, as one JSON object'
complete -c pyinit -n __pyinit_in_options -l termination-log -d 'at the end, write the cause in a line to /dev/termination-log, for Kubernetes'
complete -c pyinit -n __pyinit_in_options -l status-file -x -a '(__fish_complete_path (commandline -ct))' -d 'keep the current state in this file, for \'pyinitctl status\''
complete -c pyinit -n __pyinit_in_options -l metrics-file -x -a '(__fish_complete_path (commandline -ct))' -d 'keep metrics in this file, in the text format of Prometheus'
complete -c pyinit -n __pyinit_in_options -s h -l help -d 'print this help and exit'
complete -c pyinit -n __pyinit_in_options -l version -d 'print the version and exit'
