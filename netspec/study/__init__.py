"""What is found out about nets and trainings: differences, arithmetic by hand, rates, faults, features."""
